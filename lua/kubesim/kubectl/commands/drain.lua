--- kubectl drain: cordons, evicts what may go, and lets time pass until it is gone. kubectl works on all pods at once; here each
--- pod is something that has a next moment, and time passes from one such moment to the next.
--- k8s.io/kubectl/pkg/cmd/drain/drain.go, pkg/drain/{drain,filters}.go.
local core <const> = require "kubesim.core"
local durations <const> = require "kubesim.durations"
local errors <const> = require "kubesim.kubectl.errors"
local flags <const> = require "kubesim.kubectl.flags"
local nodes <const> = require "kubesim.kubectl.nodes"
local resources <const> = require "kubesim.kubectl.resources"

local SECOND <const> = 1000000000
local RETRY <const> = 5 * SECOND

-- What may go ----------------------------------------------------------------------------------------------------------------

local function finished(pod) return pod.status.phase == "Succeeded" or pod.status.phase == "Failed" end

local function controller(pod)
  for _, owner in ipairs(pod.metadata.ownerReferences or {}) do
    if owner.controller then return owner end
  end
end

local function old_deletion(ctx, pod)
  local limit, stamp = ctx.flags["skip-wait-for-delete-timeout"], pod.metadata.deletionTimestamp
  if limit <= 0 or not stamp then return false end
  local now = ctx.core:epoch() * SECOND + ctx.core:instant()
  return (now - core.time(stamp)) // SECOND > limit
end

--- Each filter tells whether the pod goes, and what is to be said of it: an error, or a warning.
local FILTERS <const> = {
  function(ctx, pod) return not old_deletion(ctx, pod) end,
  function(ctx, pod)
    local owner = controller(pod)
    if not owner or owner.kind ~= "DaemonSet" or owner.apiVersion ~= "apps/v1" or finished(pod) then return true end
    local message = ("daemonsets.apps %s not found"):format(errors.quote(owner.name)) -- there are no DaemonSets here
    if ctx.flags.force then return true, nil, message end
    return false, message
  end,
  function(_, pod) return not (pod.metadata.annotations or {})["kubernetes.io/config.mirror"] end,
  function(ctx, pod)
    local here = false
    for _, volume in ipairs(pod.spec.volumes or {}) do here = here or volume.emptyDir ~= nil end
    if not here or finished(pod) then return true end
    if not ctx.flags["delete-emptydir-data"] then
      return false, "Pods with local storage (use --delete-emptydir-data to override)"
    end
    return true, nil, "deleting Pods with local storage"
  end,
  function(ctx, pod)
    if finished(pod) or controller(pod) then return true end
    if ctx.flags.force then return true, nil, "deleting Pods that declare no controller" end
    return false, "Pods that declare no controller (use --force to override)"
  end,
}

---Messages with the pods that they are about, in the order of their first one.
local function gather(groups, message, pod)
  local at = groups[message]
  if not at then
    at = { message = message, pods = {} }
    groups[message], groups[#groups + 1] = at, at
  end
  at.pods[#at.pods + 1] = pod.metadata.namespace .. "/" .. pod.metadata.name
end

---The pods of a node that go; or why they may not.
local function pods_of(ctx, node)
  local pods, errs, warnings = {}, {}, {}
  local all = resources.list(ctx, ctx.core:kind "pods", nil, ctx.flags["pod-selector"], "spec.nodeName=" .. node)
  for _, pod in ipairs(all) do
    local goes, err, warning
    for _, filter in ipairs(FILTERS) do
      goes, err, warning = filter(ctx, pod)
      if not goes then break end
    end
    if goes then pods[#pods + 1] = pod end
    if err then gather(errs, err, pod) elseif warning then gather(warnings, warning, pod) end
  end
  local refused, said = {}, {}
  for i, group in ipairs(errs) do refused[i] = errors.plain("cannot delete %s: %s", group.message, table.concat(group.pods, ", ")) end
  for i, group in ipairs(warnings) do said[i] = ("%s: %s"):format(group.message, table.concat(group.pods, ", ")) end
  return pods, refused, table.concat(said, "; ")
end

-- Evicting -------------------------------------------------------------------------------------------------------------------

local function look(ctx, pod) return ctx.core:get("Pod", pod.metadata.namespace, pod.metadata.name) end

local function where(pod) return ("pods/%s -n %s"):format(errors.quote(pod.metadata.name), errors.quote(pod.metadata.namespace)) end

---One try to evict. When it is this job's turn next is in job.at; nil: it is done, with job.error where it failed.
local function evict(ctx, job, o)
  local pod = job.pod
  ctx:outf("evicting pod %s/%s%s\n", pod.metadata.namespace, pod.metadata.name, o.dry_run == "server" and " (server dry run)" or "")
  if o.ends and ctx.core:instant() >= o.ends then
    job.at, job.error = nil, errors.plain("error when evicting %s: global timeout reached: %s", where(pod), durations.text(o.timeout))
    return
  end
  local err = errors.try(ctx.core.evict, ctx.core, "pod", pod.metadata.namespace, pod.metadata.name, o.grace, o.dry_run == "server")
  if not err then
    job.step, job.at = "wait", o.dry_run ~= "server" and ctx.core:instant() or nil
  elseif errors.is(err, "NotFound") then
    job.at = nil
  elseif errors.is(err, "TooManyRequests") then
    ctx:err(("error when evicting %s (will retry after 5s): %s\n"):format(where(pod), err.message))
    job.at = ctx.core:instant() + RETRY
    job.pod = look(ctx, pod) or pod
  else
    job.at, job.error = nil, errors.plain("error when evicting %s: %s", where(pod), err.message)
  end
end

---One look whether the pod is gone.
local function wait(ctx, job, o)
  local pod, live = job.pod, look(ctx, job.pod)
  local now = ctx.core:instant()
  if not live or live.metadata.uid ~= pod.metadata.uid then
    job.at = nil
    o.print({ apiVersion = "v1", kind = "Pod", metadata = pod.metadata }, o.verb)
  elseif old_deletion(ctx, live) then
    job.at = nil
    ctx:outf("pod %s has DeletionTimestamp older than %d seconds, skipping\n", errors.quote(pod.metadata.name),
      ctx.flags["skip-wait-for-delete-timeout"])
  elseif o.ends and now >= o.ends then
    job.at, job.error = nil, errors.plain(o.verb == "deleted" and "context deadline exceeded" or
      "error when waiting for pod %s in namespace %s to terminate: context deadline exceeded", errors.quote(pod.metadata.name),
      errors.quote(pod.metadata.namespace))
  else
    job.at = now + SECOND
  end
end

---The earliest moment of a job, or nil when all are done.
local function next_moment(jobs, ends)
  local at
  for _, job in ipairs(jobs) do
    if job.at and (not at or job.at < at) then at = job.at end
  end
  return at and ends and math.min(at, ends) or at
end

---kubectl would try and wait for ever; here that can be seen.
local function never_ends()
  error(errors.verbatim("not supported: kubectl drain that never ends: nothing in the cluster will change by itself any more "
    .. "(give --timeout)"), 0)
end

local function run_jobs(ctx, jobs, o)
  local quiet -- since when nothing is due
  while true do
    local at = next_moment(jobs, o.ends)
    if not at then break end
    if at > ctx.core:instant() then
      quiet = not ctx.core:due() and (quiet or ctx.core:instant()) or nil
      if quiet and not o.ends and at - quiet > 2 * RETRY then never_ends() end
      ctx.core:run(at)
    end
    for _, job in ipairs(jobs) do
      if job.at and (job.at <= ctx.core:instant() or o.ends and ctx.core:instant() >= o.ends) then
        (job.step == "evict" and evict or wait)(ctx, job, o)
      end
    end
  end
  local list = {}
  for _, job in ipairs(jobs) do list[#list + 1] = job.error end
  return list
end

local function remove_pods(ctx, pods, o)
  local jobs, now = {}, ctx.core:instant()
  for i, pod in ipairs(pods) do jobs[i] = { pod = pod, at = now, step = "evict" } end
  o.ends = o.timeout > 0 and now + o.timeout or nil
  if not ctx.flags["disable-eviction"] then return run_jobs(ctx, jobs, o) end
  for _, job in ipairs(jobs) do
    local err = errors.try(ctx.core.delete, ctx.core, "Pod", job.pod.metadata.namespace, job.pod.metadata.name, o.grace, "background",
      o.dry_run == "server")
    if err and not errors.is(err, "NotFound") then return { err } end
    job.step = "wait"
  end
  return run_jobs(ctx, jobs, o)
end

-- The command ------------------------------------------------------------------------------------------------------------------

local function message(list)
  local texts = {}
  for i, err in ipairs(list) do texts[i] = err.message end
  return #texts == 1 and texts[1] or "[" .. table.concat(texts, ", ") .. "]"
end

---Empties one node; what went wrong.
local function drain(ctx, node, o)
  local pods, refused, warnings = pods_of(ctx, node)
  if #refused > 0 then return refused end
  if warnings ~= "" then ctx:warn(warnings) end
  if o.dry_run == "client" then
    for _, pod in ipairs(pods) do ctx:outf("evicting pod %s/%s (dry run)\n", pod.metadata.namespace, pod.metadata.name) end
    return {}
  end
  local list = remove_pods(ctx, pods, o)
  if #list == 0 then return list end
  local pending, more = pods_of(ctx, node)
  if #pending > 0 then
    ctx:err(("There are pending pods in node %s when an error occurred: %s\n"):format(errors.quote(node), message(list)))
    for _, pod in ipairs(pending) do ctx:err("pod/" .. pod.metadata.name .. "\n") end
  end
  if #more > 0 then ctx:err("Following errors occurred while getting the list of pods to delete:\n" .. message(more)) end
  return list
end

return {
  use = "drain NODE",
  flags = {
    nodes.flags, flags.chunk_size, { "force", false, "bool", false }, { "ignore-daemonsets", false, "bool", false },
    { "delete-emptydir-data", false, "bool", false }, { "grace-period", false, "int", -1 }, { "timeout", false, "duration", 0 },
    { "pod-selector", false, "string", "" }, { "disable-eviction", false, "bool", false },
    { "skip-wait-for-delete-timeout", false, "int", 0 },
  },
  run = function(ctx, args)
    local infos, dry_run = nodes.find(ctx, args)
    nodes.mark(ctx, infos, true, dry_run)
    local o = { dry_run = dry_run, grace = ctx.flags["grace-period"], timeout = ctx.flags.timeout,
      print = nodes.printer(ctx, dry_run), verb = ctx.flags["disable-eviction"] and "deleted" or "evicted" }
    local fatal, remaining = {}, {}
    for _, info in ipairs(infos) do
      local list = drain(ctx, info.name, o)
      if #list == 0 then
        o.print(info.object, "drained")
      else
        ctx:err(("error: unable to drain node %s due to error: %s, continuing command...\n"):format(errors.quote(info.name), message(list)))
        remaining[#remaining + 1] = info.name
        for _, err in ipairs(list) do fatal[#fatal + 1] = err.message end
      end
    end
    if #remaining == 0 then return end
    ctx:err("There are pending nodes to be drained:\n")
    for _, name in ipairs(remaining) do ctx:err(" " .. name .. "\n") end
    error(errors.verbatim(table.concat(fatal, "\n")), 0)
  end,
}
