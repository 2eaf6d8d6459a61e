--- kubectl: finds the command of a command line, reads its flags, runs it and collects what it prints. cluster.lua calls `run`.
---
--- A command is a file kubectl/commands/NAME.lua that returns a table; it is loaded when it is first used:
---
---     return {
---       use = "scale ... ",             -- as in kubectl's help; optional
---       flags = { flags.filename, { "replicas", false, "int", 0 } },     -- declarations, see kubectl/flags.lua
---       required = { "replicas" },      -- flags that must be given
---       commands = { status = {...} },  -- subcommands, tables like this one (or functions that return one)
---       aliases = { svc = "service" },  -- other names of subcommands
---       flag_error = function(ctx, why) end, -- raises what wrong flags lead to, where that is not pflag's usual text
---       run = function(ctx, args) end,  -- `args`: the words that are no flags; what it returns is not looked at
---     }
---
--- `ctx` has what a command needs:
---     ctx.cluster, ctx.core           the cluster and its core handle
---     ctx.stdin                       text or nil
---     ctx.namespace                   -n, else "default"; ctx.enforce_namespace: -n was given
---     ctx.flags, ctx.changed, ctx.dash   values by flag name; which were given; how many args stood before "--"
---     ctx.path                        "kubectl rollout status"
---     ctx:out(text), ctx:outf(fmt, ...)  to standard output;  ctx:err(text): to standard error, both with their line ends
---     ctx:warn(text)                  "Warning: text" on standard error
---     ctx:told(warnings)              the server's warnings (each text once per command line)
---     ctx:record(object)              --record: writes the command line into the object's kubernetes.io/change-cause
---     ctx:usage_error(fmt, ...)       raises kubectl's UsageErrorf ("See 'kubectl X -h' for help and examples")
---     ctx:refuse_flag(name, ...)      raises "not supported: ..." when one of these flags was given
--- A command ends with an error by raising it: kubectl/errors.lua makes them. Objects to work on: kubectl/resources.lua; printing
--- changed objects (-o): kubectl/output.lua.
---
--- k8s.io/kubectl/pkg/cmd/cmd.go; github.com/spf13/cobra: command.go, args.go.
local Status <const> = require "kubesim.status"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local words_of <const> = require "kubesim.kubectl.words"

---@class kubesim.kubectl
local kubectl = {}

-- Commands -------------------------------------------------------------------------------------------------------------------

--- In the order in which kubectl adds them: suggestions come in it. A text says why a command is not there.
local NOT_A_WORKLOAD <const> = "not simulated"
local COMMANDS <const> = {
  { "create" }, { "expose" }, { "run" }, { "set" }, { "explain" }, { "get", suggest = { "list", "ls" } },
  { "edit", refused = "there is no editor; use kubectl patch or kubectl apply" }, { "delete", suggest = { "rm", "remove" } },
  { "rollout" }, { "scale" }, { "autoscale", refused = "HorizontalPodAutoscalers are not simulated" },
  { "certificate", refused = NOT_A_WORKLOAD }, { "cluster-info" },
  { "top", suggest = { "stats" }, refused = "resource usage is not simulated" }, { "cordon" }, { "uncordon" }, { "drain" }, { "taint" },
  { "describe", suggest = { "inspect" } }, { "logs" }, { "attach", refused = "use kubectl logs or kubectl exec" }, { "exec" },
  { "port-forward", refused = "use cluster:curl" }, { "proxy", refused = NOT_A_WORKLOAD }, { "cp" },
  { "auth", refused = "users and permissions are not simulated" }, { "debug", refused = "ephemeral containers are not simulated" },
  { "events" }, { "diff" }, { "apply" }, { "patch" }, { "replace" }, { "wait" }, { "kustomize", refused = NOT_A_WORKLOAD },
  { "label" }, { "annotate" }, { "completion", refused = NOT_A_WORKLOAD }, { "alpha", refused = NOT_A_WORKLOAD },
  { "config", refused = NOT_A_WORKLOAD }, { "plugin", refused = NOT_A_WORKLOAD }, { "version" },
  { "api-versions" }, { "api-resources" }, { "options", refused = NOT_A_WORKLOAD }, { "kuberc", refused = NOT_A_WORKLOAD },
  { "help", refused = "kubectl's help texts are not part of this" },
}
local BY_NAME <const> = {}
for _, entry in ipairs(COMMANDS) do BY_NAME[entry[1]] = entry end

--- Flags that every command has. Those that are about reaching a cluster are refused by name when they are given.
local GLOBAL <const> = {
  { "namespace", "n", "string", "" }, { "warnings-as-errors", false, "bool", false },
}
local CONNECTION <const> = {
  { "as", false, "string", "" }, { "as-group", false, "array" }, { "as-uid", false, "string", "" }, { "cache-dir", false, "string", "" },
  { "as-user-extra", false, "array" },
  { "certificate-authority", false, "string", "" }, { "client-certificate", false, "string", "" }, { "client-key", false, "string", "" },
  { "cluster", false, "string", "" }, { "context", false, "string", "" }, { "disable-compression", false, "bool", false },
  { "insecure-skip-tls-verify", false, "bool", false }, { "kubeconfig", false, "string", "" }, { "kuberc", false, "string", "" },
  { "match-server-version", false, "bool", false }, { "password", false, "string", "" }, { "profile", false, "string", "none" },
  { "profile-output", false, "string", "profile.pprof" }, { "request-timeout", false, "string", "0" }, { "server", "s", "string", "" },
  { "tls-server-name", false, "string", "" }, { "token", false, "string", "" }, { "user", false, "string", "" },
  { "username", false, "string", "" }, { "v", "v", "string", "0" }, { "vmodule", false, "string", "" },
  { "log-flush-frequency", false, "duration", 5000000000 },
}
local ROOT <const> = flags.set(nil, GLOBAL, CONNECTION)
local REACHES <const> = {}
for _, flag in ipairs(CONNECTION) do REACHES[flag[1]] = true end
--- The flags of each command that was used: declarations do not change.
local SETS <const> = {}

---@param a string
---@param b string
local function edit_distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
    end
  end
  return row[#b]
end

local function suggestions(word)
  local lower, lines = word:lower(), {}
  for _, entry in ipairs(COMMANDS) do
    local name = entry[1]
    if edit_distance(lower, name) <= 2 or name:sub(1, #lower) == lower then lines[#lines + 1] = "\t" .. name end
    for _, other in ipairs(entry.suggest or {}) do
      if other == lower then lines[#lines + 1] = "\t" .. name end
    end
  end
  if #lines == 0 then return "" end
  return "\n\nDid you mean this?\n" .. table.concat(lines, "\n")
end

---The place of the command's name. Unknown commands are looked for as plugins first: those cannot follow flags.
local function find_command(words)
  local place = ROOT:first(words)
  if not place then error(errors.verbatim "not supported: kubectl without a command (its help texts are not part of this)", 0) end
  local entry = BY_NAME[words[place]]
  if not entry then
    if words[1]:sub(1, 1) == "-" then
      error(errors.verbatim("Error: flags cannot be placed before plugin name: " .. words[1]), 0)
    end
    errors.fail(("unknown command %s for \"kubectl\"%s"):format(errors.quote(words[place]), suggestions(words[place])))
  end
  return place, entry
end

local function subcommand(command, word)
  local name = command.aliases and command.aliases[word] or word
  local sub = command.commands[name]
  if type(sub) == "function" then sub = sub() end
  return sub and name, sub
end

---Goes down to the command that is meant; its words without the names, and its path.
local function descend(words)
  local place, entry = find_command(words)
  local path = "kubectl " .. entry[1]
  table.remove(words, place)
  if entry.refused then error(errors.verbatim(("not supported: %s: %s"):format(path, entry.refused)), 0) end
  local command = entry.command or require("kubesim.kubectl.commands." .. entry[1]:gsub("-", "_"))
  entry.command = command
  while true do
    local set = SETS[command] or flags.set(ROOT, command.flags or {})
    SETS[command] = set
    place = command.commands and set:first(words)
    local name, sub = nil, nil
    if place then name, sub = subcommand(command, words[place]) end
    if not sub then return command, set, path end
    table.remove(words, place)
    command, path = sub, path .. " " .. name
    if sub.refused then error(errors.verbatim(("not supported: %s: %s"):format(path, sub.refused)), 0) end
  end
end

-- Context --------------------------------------------------------------------------------------------------------------------

---@class kubesim.kubectl.Context
---@field cluster kubesim.Cluster
---@field core userdata
---@field stdin? string
---@field namespace string
---@field enforce_namespace boolean
---@field flags table<string, any>
---@field changed table<string, boolean>
---@field path string
local Context = {}
Context.__index = Context

function Context:out(text) self.stdout[#self.stdout + 1] = text end
function Context:outf(text, ...) self:out(text:format(...)) end
function Context:err(text) self.stderr[#self.stderr + 1] = text end
function Context:warn(text) self:err("Warning: " .. text .. "\n") end

---@param warnings? string[]
function Context:told(warnings)
  for _, text in ipairs(warnings or {}) do
    self.warnings = self.warnings + 1
    if not self.seen[text] then self:warn(text) end
    self.seen[text] = true
  end
end

---kubectl's own account of the command line (genericclioptions: parseCommandArguments).
function Context:change_cause()
  local state, list = self.set:parse(self.words), {}
  for i, flag in ipairs(state.given) do list[i] = (" --%s=%s"):format(flag[1], flag[2]) end
  return "kubectl " .. table.concat(state.args, " ") .. table.concat(list)
end

---@param object table
---@return boolean recorded
function Context:record(object)
  if not self.flags.record then return false end
  local metadata = object.metadata
  if type(metadata.annotations) ~= "table" then metadata.annotations = {} end
  metadata.annotations["kubernetes.io/change-cause"] = self:change_cause()
  return true
end

function Context:usage_error(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  errors.fail(("%s\nSee '%s -h' for help and examples"):format(text, self.path))
end

function Context:refuse_flag(...)
  for _, name in ipairs { ... } do
    if self.changed[name] then error(errors.verbatim(("not supported: %s --%s"):format(self.path, name)), 0) end
  end
end

-- Running --------------------------------------------------------------------------------------------------------------------

local function check_required(command, state)
  if not command.required then return end
  local missing = {}
  for _, name in ipairs(command.required) do
    if not state.changed[name] then missing[#missing + 1] = '"' .. name .. '"' end
  end
  table.sort(missing)
  if #missing > 0 then errors.fail("required flag(s) " .. table.concat(missing, ", ") .. " not set") end
end

local function refuse_connection(state)
  for _, flag in ipairs(state.given) do
    if REACHES[flag[1]] then error(errors.verbatim("not supported: kubectl --" .. flag[1]), 0) end
  end
end

local function execute(ctx, words)
  ctx.words = { table.unpack(words) }
  local command, set, path = descend(words)
  ctx.path, ctx.set = path, set
  local state, why = set:parse(words)
  if why == "help" then error(errors.verbatim("not supported: " .. path .. " --help (kubectl's help texts are not part of this)"), 0) end
  if not state and command.flag_error then command.flag_error(ctx, why) end
  if not state then errors.fail(("%s\nSee '%s --help' for usage."):format(why, path)) end
  for _, note in ipairs(state.notes) do ctx:err(note .. "\n") end
  refuse_connection(state)
  check_required(command, state)
  ctx.flags, ctx.changed, ctx.dash, ctx.command = state.values, state.changed, state.dash, command
  ctx.enforce_namespace = state.values.namespace ~= ""
  ctx.namespace = ctx.enforce_namespace and state.values.namespace or "default"
  if not command.run then
    if #state.args > 0 then ctx:usage_error("unknown command %s", errors.quote(table.concat(state.args, " "))) end
    error(errors.verbatim("not supported: " .. path .. " without a subcommand (kubectl's help texts are not part of this)"), 0)
  end
  command.run(ctx, state.args)
  if state.values["warnings-as-errors"] and ctx.warnings > 0 then
    errors.fail(ctx.warnings == 1 and "%d warning received" or "%d warnings received", ctx.warnings)
  end
end

---The error as it reaches Lua: the server's Status where it was one, and all that kubectl printed.
local function final(ctx, err)
  local text = errors.text(err)
  local stderr = table.concat(ctx.stderr) .. text
  return Status.new {
    code = err.code, reason = err.reason, message = err.message, details = err.details, text = (stderr:gsub("\n$", "")),
    stdout = table.concat(ctx.stdout), stderr = stderr, exit = rawget(err, "exit") or 1,
  }
end

---Runs a kubectl command line. Raises a kubesim.Status when kubectl would end with an exit status other than 0: its text is
---what stands on standard error, its fields `stdout` and `exit` what was printed before and the exit status. An exit status
---without words (kubectl diff has found a difference) is not raised.
---@param cluster kubesim.Cluster
---@param command string|string[]  what follows "kubectl"
---@param stdin? string
---@return string stdout
---@return string stderr
---@return integer exit
function kubectl.run(cluster, command, stdin)
  local ctx = setmetatable({
    cluster = cluster, core = cluster.core, stdin = stdin, stdout = {}, stderr = {}, warnings = 0, seen = {}, path = "kubectl",
    -- room for what `execute` finds out
    words = nil, set = nil, flags = nil, changed = nil, dash = nil, command = nil, enforce_namespace = nil, namespace = nil,
  }, Context)
  local err = errors.try(function() execute(ctx, words_of(command)) end)
  local quiet = err and rawget(err, "silent") and #ctx.stderr == 0
  if err and not quiet then error(final(ctx, err), 0) end
  return table.concat(ctx.stdout), table.concat(ctx.stderr), err and err.exit or 0
end

return kubectl
