-- Open a session, describe it, let Ardour save it, and move its folder; then once more from there.
-- Arguments: the folder that is moved, where to, and each session's folder below it and its name.

local function quote(text)
	return '"' .. text:gsub('[%c"\\]', function (c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function tell(kind, name, ...)
	local values = { quote(kind), quote(name) }
	for _, value in ipairs({ ... }) do
		values[#values + 1] = type(value) == "string" and quote(value) or tostring(value)
	end
	print("[" .. table.concat(values, ",") .. "]")
end

local function tell_track(route)
	local track, master = route:to_track(), Session:master_out():name()
	local is_heard = route:output():audio(0):connected_to(master .. "/audio_in 1")
	local colour = route:presentation_info_ptr():color()
	tell("track", route:name(), route:muted(), ("%08x"):format(colour), is_heard)
	for region in track:playlist():region_list():iter() do
		local audio = region:to_audioregion()
		local file = region:source(audio:n_channels() - 1):to_filesource()
		tell("region", region:name(), region:position():samples(), region:start():samples(),
			region:length():samples(), audio:n_channels(), file:path(), file:channel())
	end
end

local function describe(folder, name)
	local session = load_session(folder, name)
	tell("session", session:name(), session:nominal_sample_rate(), session:current_start_sample(),
		session:current_end_sample())
	for route in session:get_tracks():iter() do tell_track(route) end
	for place in session:locations():list():iter() do
		tell("place", place:name(), place:start():samples(), place:_end():samples(), place:is_mark(),
			place:is_range_marker())
	end
	local tempo = Temporal.TempoMap.read():tempo_at(Temporal.timepos_t(0))
	tell("tempo", "", tempo:note_types_per_minute())
	session:save_state("", false, false, false, false, false)
	close_session()
end

local from, to = arg[1], arg[2]
for i = 3, #arg, 2 do describe(from .. "/" .. arg[i], arg[i + 1]) end
assert(os.rename(from, to))
for i = 3, #arg, 2 do describe(to .. "/" .. arg[i], arg[i + 1]) end
quit()
