ardour {
	["type"] = "EditorAction",
	name = "Separate into stems (stemkit)",
	license = "GPL-3.0-or-later",
	author = "stemkit",
	description = "Separate the selected audio regions with stemkit. The stems come in on tracks of "
		.. "their own, in a group, where the regions are; the regions are muted. See README.md.",
}

function action_params()
	return {
		["command"] = { title = "The stemkit program", default = "stemkit" },
		-- Without `optional` Ardour takes no action whose parameter is empty.
		["options"] = { title = "More options, as --preset karaoke", default = "", optional = true },
	}
end

-- Ardour keeps nothing of a script but this function, so all it needs is inside.
function factory(params) return function()
	local COMMAND = params and params["command"] or "stemkit"
	local OPTIONS = params and params["options"] or ""
	local TITLE = "stemkit"
	local BLOCK_FRAMES = 32768
	local LOOK_MICROSECONDS = 200000
	local MARGIN_SECONDS = 5 -- around a region: context for the model, and room to move its edges

	-- The same colours as in the sessions that stemkit writes, as RGBA.
	local COLOURS = {
		vocals = 0xD1495BFF, accompaniment = 0x2E86ABFF, drums = 0xEDAE49FF, bass = 0x3C916BFF,
		other = 0x8E6C8AFF, residual = 0x7A8B99FF,
	}

	-- A program that is started from the desktop doesn't know the folders that a terminal does.
	local LAUNCH = [[
PATH="$PATH:$HOME/.local/bin:/opt/homebrew/bin:/usr/local/bin"; export PATH
"$@" </dev/null >"$0/events.jsonl" 2>"$0/errors.txt" &
echo $! >"$0/process.txt"; wait $!; echo $? >"$0/exit.txt"]]

	-----------------------------------------------------------------------------------------------
	-- What only the editor can do

	local function list_selected()
		local regions = {}
		for region in Editor:get_selection().regions:regionlist():iter() do
			if not region:to_audioregion():isnil() then regions[#regions + 1] = region end
		end
		return regions
	end

	local function import_region(path)
		local known = {}
		for id in ARDOUR.RegionFactory.regions():iter() do known[id:to_s()] = true end
		local files = C.StringVector()
		files:push_back(path)
		Editor:do_import(files, Editing.ImportDistinctFiles, Editing.ImportAsRegion,
			ARDOUR.SrcQuality.SrcBest, ARDOUR.MidiTrackNameSource.SMFTrackName,
			ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore, Temporal.timepos_t(0),
			ARDOUR.PluginInfo(), ARDOUR.Track(), false)
		for id, region in ARDOUR.RegionFactory.regions():iter() do
			if not known[id:to_s()] then return region end
		end
		error(("%s could not be imported"):format(path), 0)
	end

	local function tell(text)
		LuaDialog.Message(TITLE, text, LuaDialog.MessageType.Error, LuaDialog.ButtonType.Close):run()
	end

	-----------------------------------------------------------------------------------------------
	-- JSON, as stemkit prints it

	local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
	local decode_value

	-- A lone DC80 to DCFF is a byte of a file name that isn't UTF-8: that is how Python writes it.
	local function decode_unicode(text, at)
		local code = tonumber(text:sub(at, at + 3), 16)
		local low = code >= 0xD800 and code < 0xDC00 and text:match("^\\u(%x%x%x%x)", at + 4)
		if low then
			code = 0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00
			return utf8.char(code), at + 10
		end
		if code >= 0xDC80 and code <= 0xDCFF then return string.char(code - 0xDC00), at + 4 end
		return utf8.char(code), at + 4
	end

	local function decode_string(text, at)
		local parts = {}
		while true do
			local plain, stop = text:match('^([^"\\]*)()', at)
			parts[#parts + 1] = plain
			if text:sub(stop, stop) == '"' then return table.concat(parts), stop + 1 end
			local escape = text:sub(stop + 1, stop + 1)
			if escape == "" then error("a string has no end") end
			if escape == "u" then
				parts[#parts + 1], at = decode_unicode(text, stop + 2)
			else
				parts[#parts + 1], at = ESCAPES[escape] or escape, stop + 2
			end
		end
	end

	local function decode_table(text, at)
		local result, is_object = {}, text:sub(at, at) == "{"
		local close = is_object and "}" or "]"
		at = text:match("^%s*()", at + 1)
		while text:sub(at, at) ~= close do
			local key = #result + 1
			if is_object then
				key, at = decode_value(text, at)
				at = text:match("^%s*:()", at)
			end
			result[key], at = decode_value(text, at)
			at = text:match("^%s*,?%s*()", at)
		end
		return result, at + 1
	end

	-- Return the value at a place, and the place after it; null is nil.
	function decode_value(text, at)
		at = text:match("^%s*()", at)
		local mark = text:sub(at, at)
		if mark == '"' then return decode_string(text, at + 1) end
		if mark == "{" or mark == "[" then return decode_table(text, at) end
		local word, after = text:match("^([%w+.-]+)()", at)
		if word == "true" or word == "false" then return word == "true", after end
		if word == "null" then return nil, after end
		return tonumber(word) or error("no JSON at " .. at), after
	end

	-----------------------------------------------------------------------------------------------
	-- stemkit as a process, whose output goes to files that are looked at from time to time

	local function read_file(path, from)
		local file = io.open(path, "rb")
		if not file then return "" end
		file:seek("set", from or 0)
		local text = file:read("a") or ""
		file:close()
		return text
	end

	local function make_folder()
		local number, folder = 0, nil
		repeat
			number = number + 1
			folder = ARDOUR.LuaAPI.build_filename(Session:path(), "stemkit", tostring(number))
		until not ARDOUR.LuaAPI.file_test(folder, ARDOUR.LuaAPI.FileTest.Exists)
		os.execute("mkdir -p '" .. folder:gsub("'", "'\\''") .. "'")
		return folder
	end

	local function start_stemkit(folder, songs)
		local arguments = {
			COMMAND, "separate", "--json", "--output", folder, "--bit-depth", "32f",
		}
		for option in OPTIONS:gmatch("%S+") do arguments[#arguments + 1] = option end
		for _, song in ipairs(songs) do arguments[#arguments + 1] = song.file end
		os.forkexec("/bin/sh", "-c", LAUNCH, folder, table.unpack(arguments))
	end

	local function stop_stemkit(folder)
		local number = read_file(folder .. "/process.txt"):match("^%d+")
		if number then os.execute("kill " .. number .. " 2>/dev/null") end
	end

	local function follow(songs, event)
		for _, song in ipairs(songs) do
			if song.file == event.source then
				if event.event == "progress" and event.total_seconds then
					song.fraction = math.min(event.audio_seconds / event.total_seconds, 1)
				elseif event.event == "done" then
					song.fraction, song.outputs = 1, event.outputs
				elseif event.event == "failed" then
					song.fraction, song.fault = 1, event.error
				end
			end
		end
	end

	local function measure(songs)
		local sum = 0
		for _, song in ipairs(songs) do sum = sum + song.fraction end
		return sum / #songs
	end

	local function explain(folder)
		local code = read_file(folder .. "/exit.txt"):match("^%d+")
		if code == "127" then return COMMAND .. " wasn't found; give its full path" end
		local last = read_file(folder .. "/errors.txt"):match("([^\r\n]+)%s*$")
		return ("stemkit ended with exit code %s%s"):format(code, last and ": " .. last or "")
	end

	-- Give each song its outputs or its fault; return false where the user cancels.
	local function separate(folder, songs, window)
		start_stemkit(folder, songs)
		local consumed, has_ended = 0, false
		repeat
			if window:progress(measure(songs), "Separating") then
				stop_stemkit(folder)
				return false
			end
			ARDOUR.LuaAPI.usleep(LOOK_MICROSECONDS)
			has_ended = read_file(folder .. "/exit.txt"):find("\n") -- looked at before the last events
			for line in read_file(folder .. "/events.jsonl", consumed):gmatch("([^\n]*)\n") do
				consumed = consumed + #line + 1
				local is_json, event = pcall(decode_value, line, 1)
				if is_json and type(event) == "table" then follow(songs, event) end
			end
		until has_ended
		for _, song in ipairs(songs) do
			if not song.outputs and not song.fault then song.fault = explain(folder) end
		end
		return true
	end

	-----------------------------------------------------------------------------------------------
	-- Songs: what the selected regions play, as files

	local function find_track(region)
		for route in Session:get_tracks():iter() do
			local track = route:to_track()
			local found = track:playlist():region_by_id(region:to_stateful():id())
			if not found:isnil() then return track end
		end
	end

	-- Return the region with a margin on both sides, as far as its source goes.
	local function widen(region)
		local margin = MARGIN_SECONDS * Session:nominal_sample_rate()
		local start, length = region:start():samples(), region:length():samples()
		local first = math.max(start - margin, 0)
		local last = math.min(start + length + margin, region:source(0):length():samples())
		local wide = ARDOUR.RegionFactory.clone_region(region, false, false)
		wide:set_locked(false)
		wide:set_position_locked(false)
		wide:set_video_locked(false)
		wide:set_start(Temporal.timepos_t(first))
		wide:set_length(Temporal.timecnt_t(last - first))
		return wide
	end

	local function describe(region, number, folder)
		local name = ("%d %s.wav"):format(number, region:name():gsub('[/\\:*?"<>|%c]', "_"))
		return {
			region = region, track = find_track(region), wide = widen(region), fraction = 0,
			channels = region:to_audioregion():n_channels(),
			file = ARDOUR.LuaAPI.build_filename(folder, name),
		}
	end

	local function read_block(song, at, count, memory)
		local samples, readable = {}, song.wide:to_audioregion():to_readable()
		for channel = 1, song.channels do
			readable:read(memory:to_float(0), at, count, channel - 1)
			local one = memory:to_float(0):get_table(count)
			for i = 1, count do samples[(i - 1) * song.channels + channel] = one[i] end
		end
		return string.pack("<" .. ("f"):rep(#samples), table.unpack(samples))
	end

	-- Not the source's own file: what Ardour imports it keeps in a file for each channel, and of an
	-- mp3 it may play another first sample than other programs.
	-- `progress` is told how much is done, and says whether the user cancels; then false is returned.
	local function write_song(song, progress)
		local rate, frame_bytes = Session:nominal_sample_rate(), 4 * song.channels
		local frames = song.wide:length():samples()
		local bytes = frames * frame_bytes
		if bytes > 0xFFFFFF00 then error("too long for a wav file; split it first", 0) end
		local file = assert(io.open(song.file, "wb"))
		file:write("RIFF", string.pack("<I4", 36 + bytes), "WAVEfmt ",
			string.pack("<I4I2I2I4I4I2I2", 16, 3, song.channels, rate, rate * frame_bytes,
				frame_bytes, 32), "data", string.pack("<I4", bytes))
		local memory, is_cancelled = ARDOUR.DSP.DspShm(BLOCK_FRAMES), false
		for at = 0, frames - 1, BLOCK_FRAMES do
			is_cancelled = progress(at / frames)
			if is_cancelled then break end
			file:write(read_block(song, at, math.min(BLOCK_FRAMES, frames - at), memory))
		end
		file:close()
		return not is_cancelled
	end

	local function write_songs(folder, regions, window)
		local songs = {}
		for number, region in ipairs(regions) do
			songs[number] = describe(region, number, folder)
			local function progress(fraction)
				return window:progress((number - 1 + fraction) / #regions, "Reading")
			end
			if not write_song(songs[number], progress) then return end
		end
		return songs
	end

	-----------------------------------------------------------------------------------------------
	-- Stems into the session

	-- What is added while a command is open is undone with it; a track that was made stays.
	local function add_change(object)
		Session:add_stateful_diff_command(object:to_statefuldestructible())
	end

	local function import_outputs(songs)
		for _, song in ipairs(songs) do
			for _, output in ipairs(song.outputs or {}) do
				output.region = import_region(output.path)
			end
		end
	end

	local function add_track(song, stem, group, after)
		local outputs = Session:master_out():isnil() and song.channels
			or Session:master_out():n_inputs():n_audio()
		local made = Session:new_audio_track(song.channels, outputs, group, 1,
			song.track:name() .. " " .. stem, after, ARDOUR.TrackMode.Normal, false, false)
		for track in made:iter() do
			if COLOURS[stem] then track:presentation_info_ptr():set_color(COLOURS[stem]) end
			return track
		end
		error("Ardour can't make another track", 0)
	end

	local function place(song, output, playlist)
		local region = song.region
		local copy = ARDOUR.RegionFactory.clone_region(output.region, true, false)
		copy:set_length(Temporal.timecnt_t(region:length():samples()))
		copy:set_start(Temporal.timepos_t(region:start():samples() - song.wide:start():samples()))
		copy:set_name(region:name() .. " " .. output.stem)
		local audio, original = copy:to_audioregion(), region:to_audioregion()
		audio:set_scale_amplitude(original:scale_amplitude())
		audio:set_fade_in_active(original:fade_in_active())
		audio:set_fade_out_active(original:fade_out_active())
		playlist:to_stateful():clear_changes()
		playlist:add_region(copy, region:position(), 1, false)
		add_change(playlist)
	end

	local function mute(region)
		region:to_stateful():clear_changes()
		region:set_muted(true)
		add_change(region)
	end

	-- One group for each track that regions were selected on, with one track in it for each stem.
	local function bring_in(songs)
		local groups = {}
		for _, song in ipairs(songs) do
			for _, output in ipairs(song.outputs or {}) do
				local id = song.track:to_stateful():id():to_s()
				if not groups[id] then
					local group = Session:new_route_group(song.track:name() .. " stems")
					group:set_color(false) -- else all would have one
					groups[id] = { group = group, tracks = {}, count = 0 }
				end
				local group = groups[id]
				if not group.tracks[output.stem] then
					group.count = group.count + 1
					local after = song.track:presentation_info_ptr():order() + group.count
					group.tracks[output.stem] = add_track(song, output.stem, group.group, after)
				end
				place(song, output, group.tracks[output.stem]:playlist())
			end
			if song.outputs then mute(song.region) end
		end
	end

	local function list_faults(songs)
		local lines = {}
		for _, song in ipairs(songs) do
			if song.fault then lines[#lines + 1] = song.region:name() .. ": " .. song.fault end
		end
		return table.concat(lines, "\n")
	end

	local function run(regions, window)
		local folder = make_folder()
		local songs = write_songs(folder, regions, window)
		if not songs or not separate(folder, songs, window) then return "" end
		import_outputs(songs) -- first, since importing is a command of its own, and they can't nest
		Session:begin_reversible_command("Separate into stems")
		local is_done, fault = pcall(bring_in, songs)
		if not Session:abort_empty_reversible_command() then
			Session:commit_reversible_command(nil)
		end
		return is_done and list_faults(songs) or fault
	end

	local regions = list_selected()
	if #regions == 0 then
		tell("Select the audio regions to separate.")
		return
	end
	local window = LuaDialog.ProgressWindow(TITLE, true)
	local is_done, fault = pcall(run, regions, window)
	window:done()
	if fault ~= "" then tell(fault) end
end end
