--- Plays what a person types and compares it with what kubectl answers: kubectl's specs are written as such transcripts.
---
---     $ create ns n                      a command; `<name` at its end: standard input, from the table of manifests
---     namespace/n created                what stands on standard output
---     ! Error from server ...            what stands on standard error; with an exit status other than 0: "!2 ..."
---     ~ 30s                              time passes
---     -- ...                             a remark
---
--- "..." in what is expected stands for anything. Blanks at the ends of lines do not count.
local transcript = {}

local function read(text)
  local steps, indent = {}, text:match "^([ ]*)"
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if line:sub(1, #indent) == indent then line = line:sub(#indent + 1) end
    local step, exit, words = steps[#steps], line:match "^!(%d*) ?(.*)$"
    if line:find "^%$ " then
      local command, stdin = line:match "^%$ (.-)%s*<([%w_]+)$"
      steps[#steps + 1] = { command = command or line:sub(3), stdin = stdin, out = {}, err = {} }
    elseif line:find "^~ " then
      steps[#steps + 1] = { wait = line:sub(3) }
    elseif exit then
      step.err[#step.err + 1], step.exit = words, tonumber(exit) or step.exit
    elseif step and step.out and not line:find "^%-%- " then
      step.out[#step.out + 1] = line
    end
  end
  return steps
end

---Without blanks at the ends of lines, and without empty lines at the end.
local function trim(text) return ((text .. "\n"):gsub("[ \t]+\n", "\n"):gsub("\n+$", "")) end

local function fits(want, got)
  if want == got then return true end
  local pattern = want:gsub("[%^$()%%.%[%]*+%-?]", "%%%0"):gsub("%%%.%%%.%%%.", ".*")
  return got:find("^" .. pattern .. "$") ~= nil
end

local function expect(what, step, want, got)
  want, got = trim(table.concat(want, "\n")), trim(got)
  if fits(want, got) then return end
  error(("$ %s\n%s expected:\n%s\n%s seen:\n%s"):format(step.command, what, want, what, got), 0)
end

---@param cluster kubesim.Cluster
---@param text string
---@param manifests? table<string, string>
function transcript.play(cluster, text, manifests)
  for _, step in ipairs(read(text)) do
    if step.wait then
      cluster:advance(step.wait)
    else
      local stdin = step.stdin and assert((manifests or {})[step.stdin], step.stdin)
      local ok, out, err, exit = pcall(cluster.kubectl, cluster, step.command, stdin)
      if not ok then
        if type(out) ~= "table" then error(("$ %s\n%s"):format(step.command, out), 0) end
        out, err, exit = out.stdout, out.stderr, out.exit
        if err == "" then error(("$ %s raised without words"):format(step.command), 0) end
      end
      expect("standard output", step, step.out, out)
      expect("standard error", step, step.err, err or "")
      if step.exit and step.exit ~= exit then error(("$ %s\nexit status %s, not %d"):format(step.command, exit, step.exit), 0) end
      if not ok and #step.err == 0 then error(("$ %s was refused"):format(step.command), 0) end
    end
  end
end

return transcript
