--- `kubectl run --attach` and `-i`: the words behind "--" (or what standard input has for a shell) run in the container once it is
--- up, and the container ends with them; --rm deletes the pod. commands/run.lua calls it.
---
--- k8s.io/kubectl/pkg/cmd/run/run.go: handleAttachPod, waitForPod; pkg/cmd/attach/attach.go.
local deletion <const> = require "kubesim.kubectl.deletion"
local errors <const> = require "kubesim.kubectl.errors"
local resources <const> = require "kubesim.kubectl.resources"
local shell <const> = require "kubesim.shell"

---@class kubesim.kubectl.attached
local attached = {}

local function ready(pod)
  for _, condition in ipairs(pod.status and pod.status.conditions or {}) do
    if condition.type == "Ready" then return condition.status == "True" end
  end
  return false
end

local function completed(pod) return pod.status.phase == "Succeeded" or pod.status.phase == "Failed" end

---Lets time pass until the pod is as `fits` wants it; the pod.
local function wait_for(ctx, info, fits)
  local ends = deletion.deadline(ctx, ctx.flags["pod-running-timeout"])
  while true do
    local pod = info:get(ctx)
    if fits(pod) then return pod end
    if not ctx.core:run_to_change(ends) then errors.fail "timed out waiting for the condition" end
  end
end

---Runs what the container is there for; it ends with it.
local function run_process(ctx, pod)
  local container, words = pod.spec.containers[1], {}
  for _, field in ipairs { "command", "args" } do
    for _, word in ipairs(container[field] or {}) do words[#words + 1] = word end
  end
  local input = ctx.flags.stdin and ctx.stdin or nil
  if input and ctx.flags.tty and not ctx.flags.quiet then
    ctx:err "Unable to use a TTY - input is not a terminal or the right kind of file\n"
  end
  local command = #words > 0 and words or input or ""
  local namespace, name = pod.metadata.namespace, pod.metadata.name
  local out, code, err = shell.exec(ctx.core, namespace, name, container.name, command, #words > 0 and input or nil)
  ctx:out(out)
  ctx:err(err)
  ctx.core:crash(namespace, name, container.name, code, code == 0 and "Completed" or "Error")
end

---What kubectl says when the pod has failed.
local function check_exit(pod)
  if pod.status.phase == "Succeeded" then return end
  local where = pod.metadata.namespace .. "/" .. pod.metadata.name
  local state = pod.status.containerStatuses and pod.status.containerStatuses[1].state.terminated
  if not state or state.exitCode == 0 then errors.fail("pod %s failed with unknown exit code", where) end
  error(errors.verbatim(("pod %s terminated (%s)\n%s"):format(where, state.reason or "", state.message or ""), state.exitCode), 0)
end

local function session(ctx, info)
  local pod = wait_for(ctx, info, function(pod) return completed(pod) or pod.status.phase == "Running" and ready(pod) end)
  if completed(pod) then
    ctx:out(ctx.core:logs(pod.metadata.namespace, pod.metadata.name, pod.spec.containers[1].name, false) or "")
  else
    run_process(ctx, pod)
  end
  local policy = pod.spec.restartPolicy
  if ctx.flags["leave-stdin-open"] or policy == "Always" then return end
  check_exit(wait_for(ctx, info, function(now)
    return now.status.phase == "Succeeded" or policy == "Never" and now.status.phase == "Failed"
  end))
end

---Attaches to the pod that was made, and deletes what was made when that is asked for.
---@param ctx kubesim.kubectl.Context
---@param made table[]  the pod first
function attached.run(ctx, made)
  local err = errors.try(session, ctx, resources.info_of(ctx, made[1]))
  if ctx.flags.rm then
    for _, object in ipairs(made) do
      local found = resources.find(ctx, { args = { object.kind, object.metadata.name }, continue_on_error = true,
        require_object = false, ignore_not_found = true })
      deletion.run(ctx, found, { grace = -1, cascade = "background", dry_run = "none", output = "", timeout = 0 })
    end
  end
  if err then error(err, 0) end
end

return attached
