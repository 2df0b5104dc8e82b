-- Run an editor action where there is no editor: what the action does with the session is real,
-- and these stand in for what only Ardour's window has. Arguments: the session's folder and name,
-- the action's file, and for each run its command, its options, and after how many looks at the
-- progress it's cancelled (0: never).

local info, progress, cancel_after, selected
function ardour(entry) info = entry end

Editing = {}
LuaDialog = { MessageType = {}, ButtonType = {} }

function LuaDialog.Message(title, text)
	return { run = function () print("MESSAGE " .. title .. ": " .. text:gsub("\n", " // ")) end }
end

function LuaDialog.ProgressWindow()
	return {
		progress = function (_, fraction, text)
			assert(fraction >= 0 and fraction <= 1)
			progress = progress + 1
			return progress == cancel_after
		end,
		done = function () print("WINDOW CLOSED") end,
	}
end

Editor = {}

function Editor:get_selection()
	return { regions = { regionlist = function () return selected end } }
end

-- Importing needs the editor. The session has files of the stems' names, whose regions will do.
function Editor:do_import(files)
	local name = ARDOUR.LuaAPI.path_get_basename(files:at(0))
	assert(ARDOUR.LuaAPI.file_test(files:at(0), ARDOUR.LuaAPI.FileTest.IsRegular))
	Session:begin_reversible_command("insert file") -- which aborts one that is open already
	for _, region in ARDOUR.RegionFactory.regions():iter() do
		if ARDOUR.LuaAPI.path_get_basename(region:source(0):to_filesource():path()) == name then
			ARDOUR.RegionFactory.clone_region(region, true, false)
			Session:commit_reversible_command(nil)
			return
		end
	end
	error("no file " .. name)
end

function os.forkexec(...)
	local words = {}
	for i, word in ipairs({ ... }) do words[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
	os.execute(table.concat(words, " ") .. " &")
end

local session = load_session(arg[1], arg[2])
selected = session:route_by_name("song"):to_track():playlist():region_list()
dofile(arg[3])
print("ACTION " .. info["type"] .. " " .. info["name"])
for i = 4, #arg, 3 do
	progress, cancel_after = 0, tonumber(arg[i + 2])
	-- As Ardour keeps an action: the factory's bytes, without what is around it.
	local params = { command = arg[i], options = arg[i + 1] }
	load(string.dump(factory, true), nil, nil, _ENV)(params)()
end
session:save_state("", false, false, false, false, false)
close_session()
quit()
