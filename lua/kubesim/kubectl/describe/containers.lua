--- Containers as describe shows them, of pods (with their states) and of pod templates (without). Called by the describers of pods
--- and, through podtemplate.lua, of workloads.
---
--- kubectl/pkg/describe/describe.go (describeContainers, DescribeProbe), kubectl/pkg/util/fieldpath, kubectl/pkg/util/resource.
local core <const> = require "kubesim.core"
local values <const> = require "kubesim.kubectl.values"

---@class kubesim.describe.containers
local containers = {}

local at <const>, list <const>, present <const> = values.at, values.list, values.present

local function seccomp(w, level, profile)
  if not profile then return end
  w:write(level, "SeccompProfile:\t%s\n", profile.type)
  if profile.type == "Localhost" then w:write(level == 0 and 0 or level + 1, "LocalhostProfile:\t%s\n", profile.localhostProfile) end
end
containers.seccomp = seccomp

local function port_list(ports, field)
  return values.join(ports, ", ", function(port)
    local text = ("%d/%s"):format(present(port[field]) or 0, port.protocol)
    return (present(port.name) or "") ~= "" and ("%s (%s)"):format(text, port.name) or text
  end)
end

local function port_line(w, title, text)
  if text:find(",", 1, true) then w:write(2, "%ss:\t%s\n", title, text) else w:write(2, "%s:\t%s\n", title, values.or_none(text)) end
end

local function basics(w, container, status, space)
  w:write(1, "%s%s:\n", space ~= "" and " " or "", container.name)
  if status then w:write(2, "Container ID:\t%s\n", present(status.containerID) or "") end
  w:write(2, "Image:\t%s\n", present(container.image) or "")
  if status then w:write(2, "Image ID:\t%s\n", present(status.imageID) or "") end
  port_line(w, "Port", port_list(container.ports, "containerPort"))
  port_line(w, "Host Port", port_list(container.ports, "hostPort"))
  seccomp(w, 2, at(container, "securityContext", "seccompProfile"))
end

local function words(w, title, given)
  if #list(given) == 0 then return end
  w:write(2, "%s:\n", title)
  for _, word in ipairs(given) do
    for line in (word .. "\n"):gmatch "([^\n]*)\n" do w:write(3, "%s\n", line) end
  end
end

local function state_block(w, title, state)
  local running, waiting, ended = at(state, "running"), at(state, "waiting"), at(state, "terminated")
  if running then
    w:write(2, "%s:\tRunning\n", title)
    w:write(3, "Started:\t%s\n", values.date(running.startedAt))
  elseif ended then
    w:write(2, "%s:\tTerminated\n", title)
    if (present(ended.reason) or "") ~= "" then w:write(3, "Reason:\t%s\n", ended.reason) end
    if (present(ended.message) or "") ~= "" then w:write(3, "Message:\t%s\n", ended.message) end
    w:write(3, "Exit Code:\t%d\n", present(ended.exitCode) or 0)
    if (present(ended.signal) or 0) > 0 then w:write(3, "Signal:\t%d\n", ended.signal) end
    w:write(3, "Started:\t%s\n", values.date(ended.startedAt))
    w:write(3, "Finished:\t%s\n", values.date(ended.finishedAt))
  else
    w:write(2, "%s:\tWaiting\n", title)
    if waiting and (present(waiting.reason) or "") ~= "" then w:write(3, "Reason:\t%s\n", waiting.reason) end
  end
end

local function states(w, status)
  state_block(w, "State", status.state)
  if at(status, "lastState", "terminated") then state_block(w, "Last State", status.lastState) end
  w:write(2, "Ready:\t%s\n", values.bool(status.ready))
  w:write(2, "Restart Count:\t%d\n", present(status.restartCount) or 0)
end

---Limits and requests.
---@param w kubesim.describe.Writer
---@param resources table?
---@param level integer
function containers.resources(w, resources, level)
  for _, part in ipairs { { "Limits", "limits" }, { "Requests", "requests" } } do
    local amounts = at(resources, part[2])
    if not values.empty(amounts) then w:write(level, "%s:\n", part[1]) end
    for _, name in ipairs(values.sorted_keys(amounts)) do
      w:write(level + 1, "%s:\t%s\n", name, values.quantity(amounts[name]))
    end
  end
end

local function hexed(c) return ("%%%02X"):format(c:byte()) end

---A host and a port as Go's net/url writes them.
local function host_port(host, port)
  return (((host:find(":", 1, true) and "[" .. host .. "]" or host) .. ":" .. port):gsub("[^%w%-_.~!$&'()*+,;=:%[%]<>\"]", hexed))
end

---A path as Go's net/url writes it.
local function url_path(path)
  if path ~= "" and path:sub(1, 1) ~= "/" then path = "/" .. path end
  return (path:gsub("[^%w%-_.~$&+,/:;=@!'()*]", hexed))
end

---A probe on one line.
---@param probe table
---@return string
function containers.probe(probe)
  local attributes = ("delay=%ds timeout=%ds period=%ds #success=%d #failure=%d"):format(probe.initialDelaySeconds or 0,
    probe.timeoutSeconds or 0, probe.periodSeconds or 0, probe.successThreshold or 0, probe.failureThreshold or 0)
  local exec, http, tcp, grpc = at(probe, "exec"), at(probe, "httpGet"), at(probe, "tcpSocket"), at(probe, "grpc")
  if exec then return ("exec %s %s"):format(values.go_list(exec.command), attributes) end
  if http then
    local scheme = (present(http.scheme) or ""):lower()
    return ("http-get %s%s%s %s"):format(scheme ~= "" and scheme .. "://" or "//",
      host_port(present(http.host) or "", values.int_or_string(http.port)), url_path(present(http.path) or ""), attributes)
  end
  if tcp then return ("tcp-socket %s:%s %s"):format(present(tcp.host) or "", values.int_or_string(tcp.port), attributes) end
  if grpc then return ("grpc <pod>:%d %s %s"):format(grpc.port, present(grpc.service) or "", attributes) end
  return "unknown " .. attributes
end

local function probes(w, container)
  for _, part in ipairs { { "Liveness", "livenessProbe" }, { "Readiness", "readinessProbe" }, { "Startup", "startupProbe" } } do
    local probe = at(container, part[2])
    if probe then w:write(2, "%s:\t%s\n", part[1], containers.probe(probe)) end
  end
end

---What a field reference yields, as far as kubectl resolves them: its scheme knows these two labels of fields alone
---(apimachinery/pkg/runtime/conversion.go: DefaultMetaV1FieldSelectorConversion).
---@param pod table
---@param path string
---@return string
local function field_value(pod, path)
  if path ~= "metadata.name" and path ~= "metadata.namespace" then return "" end
  return pod.metadata[path:match "%a+$"] or ""
end

---What a resource reference yields: the container's amount in units of the divisor, rounded up.
---@return string
local function resource_value(reference, container)
  local part, name = reference.resource:match "^(%a+)%.(.+)$"
  if part ~= "limits" and part ~= "requests" then return "" end
  if name ~= "cpu" and name ~= "memory" and name ~= "ephemeral-storage" and name:sub(1, 10) ~= "hugepages-" then return "" end
  local amount = core.quantity(tostring(at(container, "resources", part, name) or "0"))
  local divisor = core.quantity(tostring(present(reference.divisor) or "0"))
  if divisor == core.quantity "0" then divisor = core.quantity "1" end
  local a, b
  if name == "cpu" then a, b = amount:milli_value(), divisor:milli_value() else a, b = amount:value(), divisor:value() end
  return tostring(-(-a // b))
end

local function env_from_line(w, variable, container, pod)
  local from, name = variable.valueFrom, variable.name
  local field, resource = at(from, "fieldRef"), at(from, "resourceFieldRef")
  local secret, config = at(from, "secretKeyRef"), at(from, "configMapKeyRef")
  if field then
    local value = pod and field_value(pod, field.fieldPath) or ""
    w:write(3, "%s:\t%s (%s:%s)\n", name, value, present(field.apiVersion) or "", field.fieldPath)
  elseif resource then
    local value = resource_value(resource, container)
    if value == "0" and (resource.resource == "limits.cpu" or resource.resource == "limits.memory") then value = "node allocatable" end
    w:write(3, "%s:\t%s (%s)\n", name, value, resource.resource)
  elseif secret then
    w:write(3, "%s:\t<set to the key '%s' in secret '%s'>\tOptional: %s\n", name, secret.key, present(secret.name) or "",
      tostring(secret.optional == true))
  elseif config then
    w:write(3, "%s:\t<set to the key '%s' of config map '%s'>\tOptional: %s\n", name, config.key, present(config.name) or "",
      tostring(config.optional == true))
  end
end

local function environment(w, container, pod)
  w:write(2, #list(container.env) == 0 and "Environment:\t<none>\n" or "Environment:\n")
  for _, variable in ipairs(list(container.env)) do
    if at(variable, "valueFrom") then
      env_from_line(w, variable, container, pod)
    else
      local title = variable.name .. ":"
      for line in ((present(variable.value) or "") .. "\n"):gmatch "([^\n]*)\n" do
        w:write(3, "%s\t%s\n", title, line)
        title = ""
      end
    end
  end
end

local function environment_sources(w, container)
  if #list(container.envFrom) == 0 then return end
  w:write(2, "Environment Variables from:\n")
  for _, source in ipairs(container.envFrom) do
    local config, secret = at(source, "configMapRef"), at(source, "secretRef")
    local from = config or secret or {}
    local kind = config and "ConfigMap" or secret and "Secret" or ""
    local prefix = present(source.prefix) or ""
    if prefix ~= "" then kind = ("%s with prefix '%s'"):format(kind, prefix) end
    w:write(3, "%s\t%s\tOptional: %s\n", present(from.name) or "", kind, tostring(from.optional == true))
  end
end

local function mounts(w, container)
  local none = #list(container.volumeMounts) == 0
  w:write(2, none and "Mounts:\t<none>\n" or "Mounts:\n")
  for _, mount in ipairs(values.sorted(container.volumeMounts, function(m) return m.mountPath end)) do
    local flags = mount.readOnly == true and "ro" or "rw"
    local sub = present(mount.subPath) or ""
    if sub ~= "" then flags = flags .. (',path="%s"'):format(sub) end
    w:write(3, "%s from %s (%s)\n", mount.mountPath, mount.name, flags)
  end
  if #list(container.volumeDevices) == 0 then return end
  w:write(2, none and "Devices:\t<none>\n" or "Devices:\n") -- kubectl asks for mounts here too
  for _, device in ipairs(values.sorted(container.volumeDevices, function(d) return d.devicePath end)) do
    w:write(3, "%s from %s\n", device.devicePath, device.name)
  end
end

---A list of containers.
---@param w kubesim.describe.Writer
---@param title string
---@param given table[]? containers
---@param statuses table[]? their statuses
---@param pod table? whose fields environment variables may name; nil for templates
---@param space string "" for pods, two spaces for templates
function containers.write(w, title, given, statuses, pod, space)
  local by_name = {}
  for _, status in ipairs(list(statuses)) do by_name[status.name] = status end
  w:write(0, "%s%s:%s\n", space, title, #list(given) == 0 and " <none>" or "")
  for _, container in ipairs(list(given)) do
    local status = by_name[container.name]
    basics(w, container, status, space)
    words(w, "Command", container.command)
    words(w, "Args", container.args)
    if status then states(w, status) end
    containers.resources(w, container.resources, 2)
    probes(w, container)
    environment_sources(w, container)
    environment(w, container, pod)
    mounts(w, container)
  end
end

return containers
