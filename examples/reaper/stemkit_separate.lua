-- @description Separate the selected items into stems with stemkit
-- @about The stems come in as tracks of a folder below each item's track. See README.md.

local CONFIG = {
  -- The program, and what comes before its arguments: {"/home/me/.local/bin/stemkit"}.
  command = {"stemkit"},
  -- More options of `stemkit separate`: {"--preset", "karaoke"} or {"--model", "NAME"}.
  options = {},
  -- Where the stems go, each run into a folder of its own; "" is "stems" beside the project.
  output = "",
  -- Mute the items that were separated, so that nothing sounds twice.
  mute_items = true,
}

-- The same colours as in the projects that stemkit writes.
local COLOURS = {
  vocals = {0xD1, 0x49, 0x5B},
  accompaniment = {0x2E, 0x86, 0xAB},
  drums = {0xED, 0xAE, 0x49},
  bass = {0x3C, 0x91, 0x6B},
  other = {0x8E, 0x6C, 0x8A},
  residual = {0x7A, 0x8B, 0x99},
}

-- What makes an item of a stem sound when, and as loud, as the item that was separated.
local ITEM_VALUES = {
  "D_POSITION", "D_LENGTH", "D_SNAPOFFSET", "B_LOOPSRC", "C_BEATATTACHMODE", "D_VOL",
  "D_FADEINLEN", "D_FADEOUTLEN", "D_FADEINLEN_AUTO", "D_FADEOUTLEN_AUTO", "D_FADEINDIR",
  "D_FADEOUTDIR", "C_FADEINSHAPE", "C_FADEOUTSHAPE",
}
local TAKE_VALUES = {
  "D_STARTOFFS", "D_PLAYRATE", "D_PITCH", "B_PPITCH", "I_PITCHMODE", "D_VOL", "D_PAN", "D_PANLAW",
  "I_CHANMODE",
}

local TITLE = "stemkit"
local LOOK_SECONDS = 0.2
local IS_WINDOWS = reaper.GetOS():find("^Win") ~= nil
local SLASH = IS_WINDOWS and "\\" or "/"

---------------------------------------------------------------------------------------------------
-- JSON, as stemkit prints it

local ESCAPES = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

-- A lone DC80 to DCFF is a byte of a file name that isn't UTF-8: that is how Python writes it.
local function decode_unicode(text, at)
  local code = tonumber(text:sub(at, at + 3), 16)
  local low = code >= 0xD800 and code < 0xDC00 and text:match("^\\u(%x%x%x%x)", at + 4)
  if low then
    return utf8.char(0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00), at + 10
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

-- Return the value at a place, and the place after it; null is nil.
local function decode_value(text, at)
  at = text:match("^%s*()", at)
  local mark = text:sub(at, at)
  if mark == '"' then return decode_string(text, at + 1) end
  if mark == "{" or mark == "[" then
    local result, close = {}, mark == "{" and "}" or "]"
    at = text:match("^%s*()", at + 1)
    while text:sub(at, at) ~= close do
      local key = #result + 1
      if mark == "{" then
        key, at = decode_value(text, at)
        at = text:match("^%s*:()", at)
      end
      result[key], at = decode_value(text, at)
      at = text:match("^%s*,?%s*()", at)
    end
    return result, at + 1
  end
  local word, after = text:match("^([%w+.-]+)()", at)
  if word == "true" or word == "false" then return word == "true", after end
  if word == "null" then return nil, after end
  return tonumber(word) or error("no JSON at " .. at), after
end

---------------------------------------------------------------------------------------------------
-- stemkit as a process, whose output goes to files that are looked at from time to time

local function read_file(path, from)
  local file = io.open(path, "rb")
  if not file then return "" end
  file:seek("set", from or 0)
  local text = file:read("a") or ""
  file:close()
  return text
end

local function quote(argument)
  if IS_WINDOWS then -- for a line of a batch file; no name has a double quote there
    return '"' .. argument:gsub("%%", "%%%%"):gsub("(\\+)$", "%1%1") .. '"'
  end
  return "'" .. argument:gsub("'", "'\\''") .. "'"
end

local function quote_all(arguments)
  local quoted = {}
  for i, argument in ipairs(arguments) do quoted[i] = quote(argument) end
  return table.concat(quoted, " ")
end

-- A program that is started from the desktop doesn't know the folders that a terminal does.
local UNIX_LAUNCH = [[(
PATH="$PATH:$HOME/.local/bin:/opt/homebrew/bin:/usr/local/bin"; export PATH
%s </dev/null >%s 2>%s &
echo $! >%s; wait $!; echo $? >%s
) >/dev/null 2>&1 &]]

local WINDOWS_LAUNCH = "@echo off\r\nchcp 65001 >nul\r\ntitle %s\r\n"
  .. "%s <nul >%s 2>%s\r\necho %%errorlevel%% >%s\r\n"

-- Start a command and return at once; `prefix` begins the names of the files that tell of it.
local function start_process(arguments, prefix)
  local process = {
    events = prefix .. "events.jsonl", errors = prefix .. "errors.txt", exit = prefix .. "exit.txt",
    consumed = 0, title = "stemkit " .. prefix:gsub("[^%w]", ""),
  }
  local command, events = quote_all(arguments), quote(process.events)
  local errors, exit = quote(process.errors), quote(process.exit)
  if IS_WINDOWS then
    process.launch = prefix .. "launch.cmd"
    local file = io.open(process.launch, "wb")
    if not file then return nil end
    file:write(WINDOWS_LAUNCH:format(process.title, command, events, errors, exit))
    file:close()
    return reaper.ExecProcess('cmd.exe /S /C ""' .. process.launch .. '""', -2) and process
  end
  process.launch = prefix .. "process.txt"
  local file = io.open(process.launch, "wb")
  if not file then return nil end
  file:close()
  local launch = UNIX_LAUNCH:format(command, events, errors, quote(process.launch), exit)
  os.execute(launch) -- what it returns says nothing of what runs in the background
  return process
end

local function stop_process(process)
  if IS_WINDOWS then
    reaper.ExecProcess('taskkill.exe /F /T /FI "WINDOWTITLE eq ' .. process.title .. '*"', -1)
  else
    local number = read_file(process.launch):match("^%d+")
    if number then os.execute("kill " .. number .. " 2>/dev/null") end
  end
end

local function read_events(process)
  local events = {}
  for line in read_file(process.events, process.consumed):gmatch("([^\n]*)\n") do
    process.consumed = process.consumed + #line + 1
    local is_json, event = pcall(decode_value, line, 1)
    if is_json and type(event) == "table" then events[#events + 1] = event end
  end
  return events
end

local function read_exit_code(process)
  return tonumber(read_file(process.exit):match("^(%d+)%s"))
end

---------------------------------------------------------------------------------------------------
-- Songs: the files that the selected items play

local function name_song(file, taken)
  local name = file:match(IS_WINDOWS and "([^/\\]+)$" or "([^/]+)$"):gsub("%.[^.]*$", ""):gsub("[. ]+$", "")
  if name == "" then name = "song" end
  local song, number = name, 1
  while taken[song:lower()] do
    number = number + 1
    song = name .. " " .. number
  end
  taken[song:lower()] = true
  return song
end

-- Return the selected items that can be separated, their songs, and what is wrong with the others.
local function find_items(project)
  local items, songs, faults, taken = {}, {}, {}, {}
  for i = 0, reaper.CountSelectedMediaItems(project) - 1 do
    local item = reaper.GetSelectedMediaItem(project, i)
    local take = reaper.GetActiveTake(item)
    if take and not reaper.TakeIsMIDI(take) then
      local source = reaper.GetMediaItemTake_Source(take)
      local file = reaper.GetMediaSourceFileName(source, "")
      if reaper.GetMediaSourceParent(source) or file == "" then
        local name = reaper.GetTakeName(take)
        faults[#faults + 1] = ('"%s" plays a section or backwards; glue it first.'):format(name)
      else
        if not songs[file] then
          songs[file] = {file = file, name = name_song(file, taken), fraction = 0}
          songs[#songs + 1] = songs[file]
        end
        items[#items + 1] = {item = item, song = songs[file]}
      end
    end
  end
  return items, songs, faults
end

local function follow(song, event)
  if event.event == "progress" and event.total_seconds then
    song.fraction = math.min(event.audio_seconds / event.total_seconds, 1)
  elseif event.event == "done" then
    song.outputs = event.outputs
  elseif event.event == "failed" then
    song.fault = event.error
  elseif event.event == "skipped" then
    song.fault = "it isn't audio that stemkit reads"
  end
end

-- Say why a song has neither stems nor a fault, though stemkit has ended.
local function explain(process, code)
  if code == 127 or code == 9009 then
    local script = select(2, reaper.get_action_context())
    return ("%s wasn't found; write its full path into CONFIG.command in %s"):format(
      CONFIG.command[1], script)
  end
  local last = read_file(process.errors):match("([^\r\n]+)%s*$")
  return ("stemkit ended with exit code %d%s"):format(code, last and ": " .. last or "")
end

---------------------------------------------------------------------------------------------------
-- Stems into the project

local function add_track(project, index, name, colour, channels)
  reaper.InsertTrackAtIndex(index, false)
  local track = reaper.GetTrack(project, index)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
  reaper.SetMediaTrackInfo_Value(track, "I_NCHAN", channels)
  if colour then
    local native = reaper.ColorToNative(colour[1], colour[2], colour[3])
    reaper.SetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR", native | 0x1000000)
  end
  return track
end

local function copy_stretch_markers(from, to)
  for i = 0, reaper.GetTakeNumStretchMarkers(from) - 1 do
    local _, position, source_position = reaper.GetTakeStretchMarker(from, i)
    reaper.SetTakeStretchMarker(to, -1, position, source_position)
    reaper.SetTakeStretchMarkerSlope(to, i, reaper.GetTakeStretchMarkerSlope(from, i))
  end
end

-- Put a stem where the item is, with the same part of it, and the same fades and levels.
local function add_item(track, separated, output)
  local source = reaper.PCM_Source_CreateFromFile(output.path)
  if not source then error("REAPER can't read " .. output.path, 0) end
  local item = reaper.AddMediaItemToTrack(track)
  local take, original = reaper.AddTakeToMediaItem(item), reaper.GetActiveTake(separated.item)
  reaper.SetMediaItemTake_Source(take, source)
  for _, key in ipairs(ITEM_VALUES) do
    local value = reaper.GetMediaItemInfo_Value(separated.item, key)
    reaper.SetMediaItemInfo_Value(item, key, value)
  end
  for _, key in ipairs(TAKE_VALUES) do
    local value = reaper.GetMediaItemTakeInfo_Value(original, key)
    reaper.SetMediaItemTakeInfo_Value(take, key, value)
  end
  copy_stretch_markers(original, take)
  local name = separated.song.name .. " " .. output.stem
  reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", name, true)
end

-- Add a folder below a track, in the folder that the track is in, and the stems of its items.
local function add_folder(project, parent, items)
  local _, name = reaper.GetSetMediaTrackInfo_String(parent, "P_NAME", "", false)
  if name == "" then name = items[1].song.name end
  local index = math.floor(reaper.GetMediaTrackInfo_Value(parent, "IP_TRACKNUMBER"))
  local channels = reaper.GetMediaTrackInfo_Value(parent, "I_NCHAN")
  local folder, last = add_track(project, index, name .. " stems", nil, channels), nil
  local tracks = {}
  for _, separated in ipairs(items) do
    for _, output in ipairs(separated.song.outputs) do
      local stem = output.stem
      if not tracks[stem] then
        index = index + 1
        last = add_track(project, index, stem, COLOURS[stem] or COLOURS.other, channels)
        tracks[stem] = last
      end
      add_item(tracks[stem], separated, output)
    end
    if CONFIG.mute_items then reaper.SetMediaItemInfo_Value(separated.item, "B_MUTE", 1) end
  end
  -- A negative depth says how many folders end with a track; those of `parent` end after ours.
  local ends = math.min(reaper.GetMediaTrackInfo_Value(parent, "I_FOLDERDEPTH"), 0)
  if ends < 0 then reaper.SetMediaTrackInfo_Value(parent, "I_FOLDERDEPTH", 0) end
  reaper.SetMediaTrackInfo_Value(folder, "I_FOLDERDEPTH", 1)
  reaper.SetMediaTrackInfo_Value(last, "I_FOLDERDEPTH", ends - 1)
end

-- Return the items that are still there and have stems, by the track that they are on.
local function group_items(project, items)
  local groups = {}
  for _, separated in ipairs(items) do
    local is_there = reaper.ValidatePtr2(project, separated.item, "MediaItem*")
    if is_there and separated.song.outputs and #separated.song.outputs > 0 then
      local track = reaper.GetMediaItem_Track(separated.item)
      if not groups[track] then
        groups[track] = {track = track, items = {}}
        groups[#groups + 1] = groups[track]
      end
      table.insert(groups[track].items, separated)
    end
  end
  return groups
end

-- Add all stems in one undo step, or nothing; return what went wrong, if something did.
local function add_stems(project, items)
  local groups = group_items(project, items)
  if #groups == 0 then return nil end
  local shown = reaper.EnumProjects(-1, "")
  reaper.SelectProjectInstance(project) -- tracks are inserted into the one that is shown
  reaper.Undo_BeginBlock2(project)
  reaper.PreventUIRefresh(1)
  local is_done, fault = pcall(function()
    for _, group in ipairs(groups) do add_folder(project, group.track, group.items) end
  end)
  reaper.PreventUIRefresh(-1)
  reaper.Undo_EndBlock2(project, "Separate items into stems", -1)
  if not is_done then reaper.Undo_DoUndo2(project) end
  reaper.TrackList_AdjustWindows(false)
  reaper.UpdateArrange()
  reaper.Main_OnCommand(40047, 0) -- Peaks: Build any missing peaks
  reaper.SelectProjectInstance(shown)
  return not is_done and fault or nil
end

---------------------------------------------------------------------------------------------------
-- The run

local function draw(text, fraction)
  gfx.set(0.15, 0.15, 0.15)
  gfx.rect(0, 0, gfx.w, gfx.h, 1)
  gfx.set(0.18, 0.53, 0.67)
  gfx.rect(10, 40, (gfx.w - 20) * fraction, 16, 1)
  gfx.set(0.9, 0.9, 0.9)
  gfx.rect(10, 40, gfx.w - 20, 16, 0)
  gfx.x, gfx.y = 10, 14
  gfx.drawstr(text)
  gfx.update()
end

local function tell(faults)
  if #faults > 0 then reaper.ShowMessageBox(table.concat(faults, "\n"), TITLE, 0) end
end

local Run = {}

function Run:start_song()
  local song = self.songs[self.number]
  local prefix = self.folder .. SLASH .. "stemkit-" .. self.number .. "-"
  local arguments = {}
  local function add(more) table.move(more, 1, #more, #arguments + 1, arguments) end
  add(CONFIG.command)
  add({"separate", "--json", "-o", self.folder .. SLASH .. song.name, "--name-template", "{stem}"})
  add(CONFIG.options)
  add({"--", song.file})
  self.process = start_process(arguments, prefix)
  if not self.process then
    song.fault = "can't start a program that writes into " .. self.folder
  end
end

function Run:end_song(song, code)
  if not song.outputs and not song.fault then song.fault = explain(self.process, code) end
  for _, key in ipairs({"events", "errors", "exit", "launch"}) do os.remove(self.process[key]) end
  self.process = nil
end

-- Look at what stemkit has printed, and go on with the next song when it has ended.
function Run:look()
  local song = self.songs[self.number]
  if self.process then
    local code = read_exit_code(self.process) -- first, so that no event is missed after it
    for _, event in ipairs(read_events(self.process)) do follow(song, event) end
    if not code then return end
    self:end_song(song, code)
  end
  self.number = self.number + 1
  if self.songs[self.number] then self:start_song() end
end

function Run:finish()
  gfx.quit()
  for _, song in ipairs(self.songs) do
    if song.fault then
      self.faults[#self.faults + 1] = ('"%s" wasn\'t separated: %s.'):format(song.name, song.fault)
    end
  end
  if reaper.ValidatePtr(self.project, "ReaProject*") then
    self.faults[#self.faults + 1] = add_stems(self.project, self.items)
  else
    self.faults[#self.faults + 1] = "The project is closed; the stems are in " .. self.folder .. "."
  end
  tell(self.faults)
end

function Run:tick()
  local key = gfx.getchar()
  if key < 0 or key == 27 then return gfx.quit() end -- closed, or Escape; `stop` does the rest
  local now = reaper.time_precise()
  if now >= self.next_look then
    self.next_look = now + LOOK_SECONDS
    self:look()
  end
  local song = self.songs[self.number]
  if not song then return self:finish() end
  local fraction = (self.number - 1 + song.fraction) / #self.songs
  local text = "%s (%d of %d): %d%%"
  draw(text:format(song.name, self.number, #self.songs, math.floor(100 * song.fraction)), fraction)
  reaper.defer(function() self:tick() end)
end

function Run:stop()
  gfx.quit()
  if self.process then stop_process(self.process) end
end

local function main()
  local project = reaper.EnumProjects(-1, "")
  local items, songs, faults = find_items(project)
  if #items == 0 then
    faults[#faults + 1] = "Select audio items to separate."
    reaper.defer(function() end) -- so that this isn't an undo step
    return tell(faults)
  end
  local output = CONFIG.output
  if output == "" then output = reaper.GetProjectPathEx(project, "") .. SLASH .. "stems" end
  local moment = math.floor(reaper.time_precise() * 1000 % 1000)
  local folder = output .. SLASH .. os.date("%Y-%m-%d %H.%M.%S.") .. ("%03d"):format(moment)
  reaper.RecursiveCreateDirectory(folder, 0)
  local run = setmetatable({
    project = project, items = items, songs = songs, faults = faults, folder = folder, number = 1,
    next_look = 0,
  }, {__index = Run})
  reaper.atexit(function() run:stop() end)
  gfx.init(TITLE, 420, 70)
  run:start_song()
  run:tick()
end

main()
