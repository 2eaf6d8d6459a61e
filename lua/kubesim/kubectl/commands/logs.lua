--- kubectl logs. Only what a container's image says that it writes is there; see cluster:image.
---
--- k8s.io/kubectl/pkg/cmd/logs/logs.go, pkg/polymorphichelpers/logsforobject.go.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local following <const> = require "kubesim.kubectl.following"
local podchoice <const> = require "kubesim.kubectl.podchoice"
local resources <const> = require "kubesim.kubectl.resources"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const> = values.at, values.list

local SECOND <const> = 1000000000
local USAGE <const> = "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
  .. "POD or TYPE/NAME is a required argument for the logs command"
local SELECTED_TAIL <const> = 10

---What was asked for: the argument that names the object, the container, how many lines.
local function asked(ctx, args)
  local f = ctx.flags
  if #args > 2 or #args == 0 and f.selector == "" then ctx:usage_error(USAGE) end
  if #args == 1 and f.selector ~= "" then ctx:usage_error "only a selector (-l) or a POD name is allowed" end
  local tail = f.tail ~= -1 and f.tail or nil
  if f.selector ~= "" and not ctx.changed.tail then tail = SELECTED_TAIL end
  return { name = args[1], container = args[2] or f.container, tail = tail }
end

local function check(ctx, args, o)
  local f = ctx.flags
  if f["since-time"] ~= "" and f.since ~= 0 then errors.fail "at most one of `sinceTime` or `sinceSeconds` may be specified" end
  if f["all-containers"] and o.container ~= "" then
    errors.fail("--all-containers=true should not be specified with container name %s", o.container)
  end
  if ctx.changed.container and #args == 2 then errors.fail "only one of -c or an inline [CONTAINER] arg is allowed" end
  if f["limit-bytes"] < 0 then errors.fail "--limit-bytes must be greater than 0" end
  if f.since < 0 then errors.fail "--since must be greater than 0" end
  if o.tail and o.tail < -1 then errors.fail "--tail must be greater than or equal to -1" end
end

---The object that was named, or the pods that were selected.
local function find(ctx, o)
  if ctx.flags.selector ~= "" then
    local infos = resources.find(ctx, { args = { "pods" }, labels = ctx.flags.selector }):all()
    if #infos == 0 then ctx:err(("No resources found in %s namespace.\n"):format(ctx.namespace)) end
    return infos
  end
  local err, infos = errors.try(function()
    return resources.find(ctx, { names = { o.name }, default_kind = "pods", single_type = true }):all()
  end)
  if err and errors.is(err, "NotFound") then
    errors.fail("error from server (NotFound): %s in namespace %s", err.message, errors.quote(ctx.namespace))
  end
  if err then error(err, 0) end
  if #infos ~= 1 then errors.fail "expected a resource" end
  return infos
end

---The pods whose logs are wanted.
local function pods_of(ctx, infos, timeout)
  local pods = {}
  for _, info in ipairs(infos) do
    if info.mapping.kind == "Pod" then
      pods[#pods + 1] = info.object
    else
      local behind = podchoice.pods_of(ctx, info, "cannot get the logs from", podchoice.by_logging, timeout)
      if #behind > 1 and not ctx.flags["all-pods"] then
        ctx:err(("Found %d pods, using pod/%s\n"):format(#behind, behind[1].metadata.name))
        behind = { behind[1] }
      end
      table.move(behind, 1, #behind, #pods + 1, pods)
    end
  end
  return pods
end

---The containers of a pod whose logs are wanted.
local function containers_of(ctx, pod, o)
  if ctx.flags["all-containers"] then
    local names = {}
    for _, group in ipairs { "initContainers", "containers", "ephemeralContainers" } do
      for _, c in ipairs(list(pod.spec[group])) do names[#names + 1] = c.name end
    end
    return names
  end
  local name = o.container
  local annotated = name == "" and podchoice.annotated(pod)
  if annotated then
    if podchoice.has_container(pod, annotated) then
      name = annotated
    else
      ctx:err(("Default container name %s not found in pod %s\n"):format(errors.quote(annotated), pod.metadata.name))
    end
  end
  if name == "" then name = podchoice.first_container(ctx, pod, ctx.flags["all-pods"]) end
  podchoice.check_container(pod, name)
  return { name }
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]*\n?" do
    if line ~= "" then lines[#lines + 1] = line end
  end
  return lines
end

---What of a log is printed.
local function shown(ctx, text, o, prefix)
  local f = ctx.flags
  if text ~= "" and (f.timestamps or f.since ~= 0 or f["since-time"] ~= "") then
    error(errors.verbatim "not supported: kubectl logs by time: when a container wrote a line is not kept", 0)
  end
  local lines = lines_of(text)
  local first = o.tail and o.tail >= 0 and math.max(1, #lines - o.tail + 1) or 1
  local result = table.concat(lines, "", first)
  if f["limit-bytes"] > 0 then result = result:sub(1, f["limit-bytes"]) end
  if prefix == "" then return result end
  return (result:gsub("[^\n]*\n?", function(line) return line ~= "" and prefix .. line or nil end))
end

local function is_running(pod, container)
  for _, group in ipairs { "containerStatuses", "initContainerStatuses" } do
    for _, status in ipairs(list(at(pod, "status", group))) do
      if status.name == container then return at(status, "state", "running") ~= nil end
    end
  end
  return false
end

---Lets time pass until the container has ended: only then a log that is followed is complete.
local function follow(ctx, source)
  local pod = source.pod
  local info = resources.info_of(ctx, pod)
  local ended = following.follow(ctx, info, nil, function(type, object)
    return type == "DELETED" or object.metadata.uid ~= pod.metadata.uid or not is_running(object, source.container)
  end)
  if not ended then following.hung(ctx, ("container %s of pod %s goes on"):format(source.container, pod.metadata.name)) end
end

local function print_log(ctx, source, o)
  local f, pod = ctx.flags, source.pod
  local prefix = (f.prefix or f["all-pods"]) and ("[pod/%s/%s] "):format(pod.metadata.name, source.container) or ""
  local err = errors.try(function()
    local text = ctx.core:logs(pod.metadata.namespace, pod.metadata.name, source.container, f.previous) or ""
    if f.follow then
      follow(ctx, source)
      local err, more = errors.try(ctx.core.logs, ctx.core, pod.metadata.namespace, pod.metadata.name, source.container, f.previous)
      if not err then text = more or "" end
    end
    ctx:out(shown(ctx, text, o, prefix))
  end)
  if err and f["ignore-errors"] then return ctx:out("error: " .. err.message .. "\n") end
  if err then error(err, 0) end
end

return {
  flags = {
    flags.selector, { "all-pods", false, "bool", false }, { "all-containers", false, "bool", false }, { "follow", "f", "bool", false },
    { "timestamps", false, "bool", false }, { "limit-bytes", false, "int64", 0 }, { "previous", "p", "bool", false },
    { "tail", false, "int64", -1 }, { "ignore-errors", false, "bool", false }, { "since-time", false, "string", "" },
    { "since", false, "duration", 0 }, { "container", "c", "string", "" }, { "insecure-skip-tls-verify-backend", false, "bool", false },
    { "pod-running-timeout", false, "duration", 20 * SECOND }, { "max-log-requests", false, "int", 5 }, { "prefix", false, "bool", false },
  },
  run = function(ctx, args)
    local f, o = ctx.flags, asked(ctx, args)
    local timeout = podchoice.running_timeout(ctx)
    if f["since-time"] ~= "" and not core.time(f["since-time"]) then
      errors.fail('parsing time %s as "2006-01-02T15:04:05Z07:00": cannot parse %s as "2006"', errors.quote(f["since-time"]),
        errors.quote(f["since-time"]))
    end
    local infos = find(ctx, o)
    check(ctx, args, o)
    local sources = {}
    for _, pod in ipairs(pods_of(ctx, infos, timeout)) do
      for _, name in ipairs(containers_of(ctx, pod, o)) do sources[#sources + 1] = { pod = pod, container = name } end
    end
    if f.follow and #sources > 1 and #sources > f["max-log-requests"] then
      errors.fail("you are attempting to follow %d log streams, but maximum allowed concurrency is %d, use --max-log-requests to increase "
        .. "the limit", #sources, f["max-log-requests"])
    end
    for _, source in ipairs(sources) do print_log(ctx, source, o) end
  end,
}
