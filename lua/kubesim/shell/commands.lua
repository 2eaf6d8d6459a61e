--- The programs that a simulated container has: a table from name to function. kubesim.shell calls them. Most command lines use one
--- or two, so the files that have them are loaded when one of their programs is run.

---@alias kubesim.shell.Program fun(shell: kubesim.Shell, argv: string[], input: string): string, integer, string?
--- Takes the shell, the words (argv[1] is the program's name) and the input; returns output, exit code and error output.

local FILES <const> = {
  writing = " true false sleep sync echo printf cat tee seq ",
  text = " head tail wc grep egrep fgrep sort uniq basename dirname ",
  listing = " ls df mount pwd ",
  files = " touch mkdir rm rmdir cp mv ",
  test = " test [ ",
  container = " env printenv hostname date id whoami uname which ps kill sh bash ash ",
  network = " nslookup curl wget getent ",
}

local function file_of(name)
  name = " " .. name .. " "
  for file, names in pairs(FILES) do
    if names:find(name, 1, true) then return file end
  end
end

---@type table<string, kubesim.shell.Program>
return setmetatable({}, {
  __index = function(programs, name)
    local file = file_of(name)
    if not file then return nil end
    for other, program in pairs(require("kubesim.shell.commands." .. file)) do programs[other] = program end
    return rawget(programs, name)
  end,
})
