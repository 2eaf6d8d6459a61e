--- kubectl cp: one file between this machine and a container. Folders are refused by name.
---
--- k8s.io/kubectl/pkg/cmd/cp/{cp,filespec}.go; what it says of missing files is what the container's tar says.
local errors <const> = require "kubesim.kubectl.errors"
local podchoice <const> = require "kubesim.kubectl.podchoice"
local resources <const> = require "kubesim.kubectl.resources"

local function unsupported(what) error(errors.verbatim("not supported: kubectl cp of " .. what), 0) end

---"[[namespace/]pod:]path" as its parts.
local function file_spec(text)
  local colon = text:find(":", 1, true)
  local function malformed() errors.fail "filespec must match the canonical format: [[namespace/]pod:]file/path" end
  local function stripped(path) return path ~= "/" and path:gsub("/$", "") or path end
  if colon == 1 then malformed() end
  if not colon then return { path = stripped(text) } end
  local place, path = text:sub(1, colon - 1), text:sub(colon + 1)
  local namespace, pod = place:match "^([^/]*)/([^/]*)$"
  if not namespace and place:find("/", 1, true) then malformed() end
  return { namespace = namespace, pod = pod or place, path = stripped((path:gsub("\\", "/"))) }
end

local function base(path) return path:match "([^/]+)/*$" or path end

local function folder_of(path) return path:match "^(.+)/[^/]*$" or path:sub(1, 1) == "/" and "/" or "." end

---The pod and the container of a spec; what is said of the choice goes to `say`.
local function open_container(ctx, spec, say)
  local namespace = (spec.namespace or "") ~= "" and spec.namespace or ctx.namespace
  local info = resources.info_of(ctx, { apiVersion = "v1", kind = "Pod", metadata = { namespace = namespace, name = spec.pod } })
  local pod = info:get(ctx)
  local phase = pod.status and pod.status.phase
  if phase == "Succeeded" or phase == "Failed" then
    errors.fail("cannot exec into a container in a completed pod; current phase is %s", phase)
  end
  local name = ctx.flags.container
  if name ~= "" then podchoice.check_container(pod, name) else name = podchoice.default_container({ err = say }, pod) end
  local files = { core = ctx.core, namespace = namespace, pod = spec.pod, container = ctx.core:container(namespace, spec.pod, name) }
  function files:call(method, ...) return self.core[method](self.core, self.namespace, self.pod, self.container, ...) end
  return files
end

local function absolute(path) return path:sub(1, 1) == "/" and path or "/" .. path end

---tar ends: what it says, and its exit status.
local function tar_failed(say, ...)
  for _, line in ipairs { ... } do say("tar: " .. line .. "\n") end
  error(errors.verbatim("command terminated with exit code 2", 2), 0)
end

local function from_pod(ctx, source, target)
  local function say(_, text) ctx:out(text) end -- kubectl sends tar's standard error to its standard output
  local files = open_container(ctx, source, say)
  local path = absolute(source.path)
  if source.path:sub(1, 1) == "/" then ctx:out "tar: Removing leading `/' from member names\n" end
  local found = files:call("file_stat", path)
  if not found then
    tar_failed(function(text) ctx:out(text) end, source.path .. ": Cannot stat: No such file or directory",
      "Exiting with failure status due to previous errors")
  end
  if found.directory then unsupported "a folder" end
  local text = files:call("file_read", path)
  local file, why = io.open(target.path, "wb")
  if not file then errors.fail("open %s: %s", target.path, (why:gsub("^.*: ", ""):lower())) end
  file:write(text)
  file:close()
end

local function local_text(path)
  local file = io.open(path, "rb")
  if not file then errors.fail("%s doesn't exist in local filesystem", path) end
  local text = file:read "a"
  file:close()
  if not text then unsupported "a folder" end
  return text
end

local function to_pod(ctx, source, target)
  local text = local_text(source.path)
  local files = open_container(ctx, target, function(_, message) ctx:err(message) end)
  local path = target.path
  local there = files:call("file_stat", absolute(path))
  if there and there.directory then path = path:gsub("/$", "") .. "/" .. base(source.path) end
  local folder = folder_of(path)
  local parent = files:call("file_stat", absolute(folder))
  local function say(line) ctx:err(line) end
  if not parent then tar_failed(say, folder .. ": Cannot open: No such file or directory", "Error is not recoverable: exiting now") end
  local done, why = files:call("file_write", absolute(path), text, false)
  if not done then
    tar_failed(say, ("%s: Cannot open: %s"):format(base(path), why), "Exiting with failure status due to previous errors")
  end
end

return {
  flags = {
    { "container", "c", "string", "" }, { "no-preserve", false, "bool", false }, { "retries", false, "int", 0 },
  },
  run = function(ctx, args)
    if #args ~= 2 then errors.fail "source and destination are required" end
    local source, target = file_spec(args[1]), file_spec(args[2])
    if source.pod and target.pod then errors.fail "one of src or dest must be a local file specification" end
    if source.path == "" or target.path == "" then errors.fail "filepath can not be empty" end
    if source.pod then return from_pod(ctx, source, target) end
    if target.pod then return to_pod(ctx, source, target) end
    errors.fail "one of src or dest must be a remote file specification"
  end,
}
