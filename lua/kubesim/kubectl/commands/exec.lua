--- kubectl exec. The shell and the programs in containers: kubesim.shell.
---
--- k8s.io/kubectl/pkg/cmd/exec/exec.go.
local errors <const> = require "kubesim.kubectl.errors"
local podchoice <const> = require "kubesim.kubectl.podchoice"
local resources <const> = require "kubesim.kubectl.resources"
local shell <const> = require "kubesim.shell"

local MINUTE <const> = 60 * 1000000000

---Splits the words at "--".
local function split(ctx, args)
  local name = #args > 0 and ctx.dash ~= 0 and args[1] or nil
  if ctx.dash then return name, table.move(args, ctx.dash + 1, #args, 1, {}) end
  if #args > 1 or #args > 0 and #ctx.flags.filename > 0 then
    ctx:usage_error "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
  end
  return name, {}
end

local function find_pod(ctx, name, timeout)
  local found = resources.find(ctx, { names = name and { name }, default_kind = "pods", files = ctx.flags.filename }):all()
  if #found ~= 1 then errors.fail "cannot exec into multiple objects at a time" end
  local info = found[1]
  if info.mapping.kind == "Pod" then return info.object end
  return podchoice.pods_of(ctx, info, "cannot attach to", podchoice.by_activity, timeout)[1]
end

local function container_of(ctx, pod)
  local name = ctx.flags.container
  if name == "" then return podchoice.default_container(ctx, pod, ctx.flags.quiet) end
  podchoice.check_container(pod, name)
  return name
end

return {
  flags = {
    { "filename", "f", "slice" }, { "container", "c", "string", "" }, { "stdin", "i", "bool", false }, { "tty", "t", "bool", false },
    { "quiet", "q", "bool", false }, { "pod-running-timeout", false, "duration", MINUTE },
  },
  run = function(ctx, args)
    local name, command = split(ctx, args)
    if ctx.flags["pod-running-timeout"] <= 0 then ctx:usage_error "--pod-running-timeout must be higher than zero" end
    if not name and #ctx.flags.filename == 0 then errors.fail "pod, type/name or --filename must be specified" end
    if #command == 0 then errors.fail "you must specify at least one command for the container" end
    local pod = find_pod(ctx, name, ctx.flags["pod-running-timeout"])
    local phase = pod.status and pod.status.phase
    if phase == "Succeeded" or phase == "Failed" then
      errors.fail("cannot exec into a container in a completed pod; current phase is %s", phase)
    end
    local container = container_of(ctx, pod)
    if ctx.flags.stdin and ctx.flags.tty and ctx.stdin and not ctx.flags.quiet then
      ctx:err "Unable to use a TTY - input is not a terminal or the right kind of file\n"
    end
    local out, code, err = shell.exec(ctx.core, pod.metadata.namespace, pod.metadata.name, container, command,
      ctx.flags.stdin and ctx.stdin or nil)
    ctx:out(out)
    ctx:err(err)
    if code ~= 0 then error(errors.verbatim(("command terminated with exit code %d"):format(code), code), 0) end
  end,
}
