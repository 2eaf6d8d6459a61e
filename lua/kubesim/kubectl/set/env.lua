--- kubectl set env. k8s.io/kubectl/pkg/cmd/set/set_env.go, env/env_parse.go, env/env_resolve.go.
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local names <const> = require "kubesim.kubectl.names"
local options <const> = require "kubesim.kubectl.options"
local pairs_of <const> = require "kubesim.kubectl.pairs"
local resources <const> = require "kubesim.kubectl.resources"
local set <const> = require "kubesim.kubectl.set.common"

local function split(args)
  local words, list = {}, {}
  for _, word in ipairs(args) do
    if word:find "^.+=" or word:find "%-$" then list[#list + 1] = word
    elseif #list == 0 then words[#words + 1] = word
    else errors.fail("all resources must be specified before environment changes: %s", table.concat(args, " ")) end
  end
  return words, list
end

---A variable as Go writes it: an empty value is left out.
local function variable(name, value) return { name = name, value = value ~= "" and value or nil } end

---NAME=VALUE lines of standard input.
local function read_lines(text, env)
  for line in text:gmatch "[^\r\n]+" do
    local name, value = line:match "^([^#]*)":match "^([^=]*)=(.*)$"
    if name then env[#env + 1] = variable(name, value) end
  end
end

local function parse(ctx, list)
  local env, removed, given = {}, {}, {}
  for _, word in ipairs(list) do
    local name, value = word:match "^([^=]*)=(.*)$"
    if word == "-" then
      read_lines(ctx.stdin or "", env)
    elseif name then
      local why = names.env(name)
      if #why > 0 then errors.fail("%s is not a valid key name: %s", errors.quote(name), table.concat(why, ";")) end
      given[name] = true
      env[#env + 1] = variable(name, value)
    elseif word:find "%-$" then removed[#removed + 1] = word:sub(1, -2)
    else errors.fail("unknown environment variable: %s", word) end
  end
  for _, name in ipairs(removed) do
    if given[name] then errors.fail "can not both modify and remove the same environment variable in the same command" end
  end
  return env, removed
end

---References to all keys of ConfigMaps and Secrets.
local function read_from(ctx, env)
  local f, wanted = ctx.flags, nil
  for _, key in ipairs(f.keys) do
    wanted = wanted or {}
    wanted[key] = true
  end
  local infos = resources.find(ctx, { args = { f.from }, allow_empty_selector = f.all, labels = f.selector, continue_on_error = true,
    files = options.files(ctx), latest = true }):all()
  for _, info in ipairs(infos) do
    local kind = info.mapping.kind
    if kind ~= "Secret" and kind ~= "ConfigMap" then errors.fail "unsupported resource specified in --from" end
    for _, key in ipairs(pairs_of.keys(info.object.data or {})) do
      if not wanted or wanted[key] then
        local name = key:gsub("[^%w_]", "_"):upper()
        if name ~= key then ctx:warn(("key %s transferred to %s"):format(key, name)) end
        local ref = { name = info.name, key = key }
        env[#env + 1] = { name = name,
          valueFrom = kind == "Secret" and { secretKeyRef = ref } or { configMapKeyRef = ref } }
      end
    end
  end
end

local function find(env, name)
  for _, item in ipairs(env) do
    if item.name == name then return item end
  end
end

---updateEnv
local function update(existing, env, removed)
  local out, covered = {}, {}
  for _, name in ipairs(removed) do covered[name] = true end
  for _, item in ipairs(existing) do
    if not covered[item.name] then
      local newer = find(env, item.name)
      if newer then covered[item.name] = true end
      out[#out + 1] = newer or item
    end
  end
  for _, item in ipairs(env) do
    if not covered[item.name] then out[#out + 1] = item end
    covered[item.name] = true
  end
  return #out > 0 and out or nil
end

---GetEnvVarRefString
local function reference(from)
  local config, secret = from.configMapKeyRef, from.secretKeyRef
  if config or secret then
    return ("%s %s, key %s"):format(config and "configmap" or "secret", (config or secret).name or "", (config or secret).key or "")
  end
  if from.fieldRef then return "field path " .. from.fieldRef.fieldPath end
  if from.resourceFieldRef then
    local container = from.resourceFieldRef.containerName or ""
    return ("resource field %s%s"):format(container ~= "" and container .. "/" or "", from.resourceFieldRef.resource or "")
  end
  return "invalid valueFrom"
end

local function list_env(ctx, info, container)
  ctx:outf("# %s %s, container %s\n", info.object.kind, info.name, container.name)
  for _, item in ipairs(container.env or {}) do
    if item.valueFrom then ctx:outf("# %s from %s\n", item.name, reference(item.valueFrom))
    else ctx:outf("%s=%s\n", item.name, item.value or "") end
  end
end

local function check_overwrites(existing, env)
  for _, item in ipairs(env) do
    local current = find(existing, item.name)
    if current and (current.value or "") ~= (item.value or "") then
      errors.fail("'%s' already has a value (%s), and --overwrite is false", current.name, current.value or "")
    end
  end
end

local function validate(ctx, words)
  local f = ctx.flags
  if f["local"] and options.dry_run(ctx) == "server" then
    errors.fail "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
  end
  if #f.filename == 0 and #words < 1 then
    errors.fail "one or more resources must be specified as <resource> <name> or <resource>/<name>"
  end
  if f.list and f.output ~= "" then errors.fail "--list and --output may not be specified together" end
  if #f.keys > 0 and f.from == "" then errors.fail "when specifying --keys, a configmap or secret must be provided with --from" end
end

return {
  flags = {
    set.flags, flags.selector, { "containers", "c", "string", "*" }, { "from", false, "string", "" }, { "prefix", false, "string", "" },
    { "env", "e", "array" }, { "keys", false, "slice" }, { "list", false, "bool", false }, { "resolve", false, "bool", false },
    { "overwrite", false, "bool", true },
  },
  run = function(ctx, args)
    ctx:refuse_flag "resolve"
    local f = ctx.flags
    if f.all and f.selector ~= "" then errors.fail "cannot set --all and --selector at the same time" end
    local words, list = split(args)
    validate(ctx, words)
    local all = { table.unpack(f.env) }
    table.move(list, 1, #list, #all + 1, all)
    local env, removed = parse(ctx, all)
    if f.from ~= "" then read_from(ctx, env) end
    if f.prefix ~= "" then
      for _, item in ipairs(env) do item.name = f.prefix .. item.name end
    end
    local infos = set.find(ctx, words)
    local function change(info)
      local containers = set.containers(set.pod_spec(info), f.containers)
      if #containers == 0 then
        ctx:warn(("%s/%s does not have any containers matching %s"):format(info.object.kind, info.name, errors.quote(f.containers)))
      end
      for _, container in ipairs(containers) do
        if not f.overwrite then check_overwrites(container.env or {}, env) end
        container.env = update(container.env or {}, env, removed)
        if f.list then list_env(ctx, info, container) end
      end
    end
    if f.list then
      for _, info in ipairs(infos) do errors.try(change, info) end
      return
    end
    set.run(ctx, infos, change, { operation = "env updated", failed = "failed to patch env update to pod template:",
      check = function()
        if #env == 0 and #list == 0 then errors.fail "at least one environment variable must be provided" end
      end })
  end,
}
