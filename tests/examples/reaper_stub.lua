-- REAPER's API as far as the script calls it, on plain tables. Every call is recorded.

local api = {}
local project = {kind = "ReaProject*", tracks = {}, is_open = true}

stub = {
  project = project, calls = {}, deferred = {}, exits = {}, messages = {}, drawn = {},
  system = "Other", path = "", key = 0, unreadable = {},
  clock = nil, make_folder = nil, run_process = nil, -- functions of the test's
}

reaper = setmetatable({}, {__index = function(_, name)
  local call = api[name] or error("the stub has no reaper." .. name)
  return function(...)
    stub.calls[#stub.calls + 1] = {name = name, ...}
    return call(...)
  end
end})

-- What the test sets up and looks at ------------------------------------------------------------

function stub.add_track(name, depth)
  local track = {kind = "MediaTrack*", name = name, items = {}, values = {
    I_FOLDERDEPTH = depth, I_NCHAN = 2, I_CUSTOMCOLOR = 0,
  }}
  table.insert(project.tracks, track)
  return track
end

function stub.add_item(track, file, item_values, take_values)
  local take = {kind = "MediaItem_Take*", values = take_values, name = "", stretch = {},
    source = {file = file}}
  local item = {kind = "MediaItem*", track = track, take = take, values = item_values,
    is_selected = true}
  table.insert(track.items, item)
  return item
end

-- Call what was deferred, as REAPER does some 30 times a second; return whether there was any.
function stub.pump()
  local deferred = stub.deferred
  stub.deferred = {}
  for _, call in ipairs(deferred) do call() end
  if #deferred > 0 and #stub.deferred == 0 then stub.leave() end
  return #stub.deferred > 0
end

function stub.leave()
  for _, call in ipairs(stub.exits) do call() end
  stub.exits = {}
end

-- The API -----------------------------------------------------------------------------------------

function api.GetOS() return stub.system end
function api.time_precise() return stub.clock() end
function api.defer(call) table.insert(stub.deferred, call) end
function api.atexit(call) table.insert(stub.exits, call) end
function api.get_action_context() return true, "/scripts/stemkit_separate.lua", 0, 0, 0, 0, 0 end
function api.ShowMessageBox(text) table.insert(stub.messages, text) return 1 end
function api.RecursiveCreateDirectory(path) return stub.make_folder(path) end
function api.ExecProcess(command, milliseconds) return stub.run_process(command, milliseconds) end
function api.ColorToNative(red, green, blue) return red << 16 | green << 8 | blue end

function api.EnumProjects() return project, "" end
function api.SelectProjectInstance() end
function api.GetProjectPathEx() return stub.path end
function api.ValidatePtr(thing) return thing == project and project.is_open end

function api.ValidatePtr2(_, thing)
  for _, item in ipairs(thing.track.items) do
    if item == thing then return true end
  end
  return false
end

function api.Undo_BeginBlock2() end
function api.Undo_EndBlock2() end
function api.Undo_DoUndo2() return 1 end
function api.PreventUIRefresh() end
function api.UpdateArrange() end
function api.TrackList_AdjustWindows() end
function api.Main_OnCommand() end

local function get_selected()
  local selected = {}
  for _, track in ipairs(project.tracks) do
    for _, item in ipairs(track.items) do
      if item.is_selected then table.insert(selected, item) end
    end
  end
  return selected
end

function api.CountSelectedMediaItems() return #get_selected() end
function api.GetSelectedMediaItem(_, i) return get_selected()[i + 1] end
function api.GetActiveTake(item) return item.take end
function api.TakeIsMIDI(take) return take.is_midi or false end
function api.GetTakeName(take) return take.name end
function api.GetMediaItemTake_Source(take) return take.source end
function api.GetMediaSourceFileName(source) return source.file end
function api.GetMediaSourceParent(source) return source.parent end
function api.GetMediaItem_Track(item) return item.track end

function api.InsertTrackAtIndex(index)
  stub.add_track("", 0)
  table.insert(project.tracks, index + 1, table.remove(project.tracks))
end

function api.GetTrack(_, index) return project.tracks[index + 1] end

function api.AddMediaItemToTrack(track)
  local item = {kind = "MediaItem*", track = track, values = {}}
  table.insert(track.items, item)
  return item
end

function api.AddTakeToMediaItem(item)
  item.take = {kind = "MediaItem_Take*", values = {}, name = "", stretch = {}}
  return item.take
end

function api.PCM_Source_CreateFromFile(file)
  local handle = not stub.unreadable[file] and io.open(file, "rb")
  if not handle then return nil end
  handle:close()
  return {file = file}
end

function api.SetMediaItemTake_Source(take, source) take.source = source return true end

local function get_value(thing, key)
  if key == "IP_TRACKNUMBER" then
    for i, track in ipairs(project.tracks) do
      if track == thing then return i + 0.0 end
    end
  end
  return (thing.values[key] or 0) + 0.0
end

local function set_value(thing, key, value) thing.values[key] = value return true end

local function get_set_string(thing, key, text, is_set)
  if key ~= "P_NAME" then error("no string " .. key) end
  if is_set then thing.name = text end
  return true, thing.name
end

api.GetMediaTrackInfo_Value, api.SetMediaTrackInfo_Value = get_value, set_value
api.GetMediaItemInfo_Value, api.SetMediaItemInfo_Value = get_value, set_value
api.GetMediaItemTakeInfo_Value, api.SetMediaItemTakeInfo_Value = get_value, set_value
api.GetSetMediaTrackInfo_String = get_set_string
api.GetSetMediaItemTakeInfo_String = get_set_string

function api.GetTakeNumStretchMarkers(take) return #take.stretch end

function api.GetTakeStretchMarker(take, i)
  local marker = take.stretch[i + 1]
  return i, marker.position, marker.source_position
end

function api.SetTakeStretchMarker(take, i, position, source_position)
  if i ~= -1 then error("only new markers") end
  table.insert(take.stretch, {position = position, source_position = source_position, slope = 0})
  return #take.stretch - 1
end

function api.GetTakeStretchMarkerSlope(take, i) return take.stretch[i + 1].slope end
function api.SetTakeStretchMarkerSlope(take, i, slope) take.stretch[i + 1].slope = slope end

-- The window: what is drawn since it was cleared -----------------------------------------------

gfx = {w = 0, h = 0, x = 0, y = 0, is_open = false}
local bar, text = 0, ""

function gfx.init(_, width, height) gfx.w, gfx.h, gfx.is_open = width, height, true end
function gfx.quit() gfx.is_open = false end
function gfx.getchar() return stub.key end
function gfx.set() end
function gfx.rect(x, _, width, _, is_filled) if is_filled == 1 and x > 0 then bar = width end end
function gfx.drawstr(drawn) text = drawn end
function gfx.update() table.insert(stub.drawn, {text = text, fraction = bar / (gfx.w - 20)}) end
