--- Plays a recorded flow on a real cluster (spec/golden/flows.json): what kubectl printed and DNS answered, so many seconds after
--- what was done. Used by spec/lab/recorded_flows_spec.lua.
---
--- Ages and column widths are not compared, nor the order of lines: pods with random names stand in the order of those.
local kubesim = require "kubesim"
local lifetime = require "spec.support.lifetime"

local flow = {}

local IMAGES = { "kubetm/app", "stubborn:1", "stubborn:2", "app:1", "app:2", "linger:1", "missing:1", "exit1:2" }

local function world()
  local function class(name, mode, default)
    return { apiVersion = "storage.k8s.io/v1", kind = "StorageClass", provisioner = "kubesim.dev/fast", volumeBindingMode = mode,
      metadata = { name = name, annotations = default and { ["storageclass.kubernetes.io/is-default-class"] = "true" } or nil } }
  end
  local cluster = kubesim.new { nodes = 2, latency = 0,
    storage_classes = { class("standard", "WaitForFirstConsumer", true), class("fast", "Immediate") } }
  for _, image in ipairs(IMAGES) do
    local behaviour = lifetime.behaviour(cluster, image)
    if image == "kubetm/app" then behaviour.stop = false end
    cluster:image(image, behaviour)
  end
  return cluster
end

local function plain(text) return (text:gsub("%p", "%%%0")) end

---Pods as the recording names them: random names in the order of creation, addresses by pod.
local function learn(cluster)
  local seen = { names = {}, addresses = {} }
  cluster:watch("pod", function(what, pod)
    local name = pod.metadata.name
    if what == "ADDED" and not name:find "%-%d+$" then seen.names[#seen.names + 1] = name end
    if pod.status and pod.status.podIP then seen.addresses[pod.status.podIP] = name end
  end)
  function seen:text(text)
    for address, name in pairs(self.addresses) do
      text = text:gsub("%f[%d]" .. plain(address) .. "%f[%D]", "IP(" .. name .. ")")
    end
    for i, name in ipairs(self.names) do text = text:gsub(plain(name), "@" .. i - 1) end
    return text
  end
  function seen:real(words)
    return (words:gsub("@(%d+)", function(i) return self.names[tonumber(i) + 1] end))
  end
  return seen
end

local function comparable(text)
  text = text:gsub(" %(%d+[smh]%d*s? ago%)", ""):gsub("%f[%w]%d+m?%d*s%f[^%w]", "AGE"):gsub("  +", "  "):gsub(" +\n", "\n")
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  local first = table.remove(lines, 1) or ""
  table.sort(lines)
  return first .. "\n" .. table.concat(lines, "\n")
end

local function ask_dns(cluster, seen, step)
  local records, why = cluster:resolve(step["do"][2] .. ".default.svc.cluster.local", { type = "A" })
  local answers = {}
  for i, record in ipairs(records or {}) do answers[i] = seen:text(record.address) end
  table.sort(answers)
  table.sort(step.result.answer)
  local want, got = table.concat(step.result.answer, " "), table.concat(answers, " ")
  if want == got and (want ~= "" or (step.result.rcode == "NXDOMAIN") == (why == "NXDOMAIN")) then return nil end
  return ("real {%s} %s, here {%s} %s"):format(want, step.result.rcode, got, tostring(why))
end

local function run_kubectl(cluster, seen, step)
  local what, text = step["do"][1], step["do"][2]
  local words = what == "apply" and "apply -f -" or seen:real(text)
  local fine, printed = pcall(cluster.kubectl, cluster, words, what == "apply" and text or nil)
  if not fine and step.result.exit then return nil end
  if fine == (step.result.exit ~= nil) then return tostring(printed) end
  local want, got = comparable(step.result.out), comparable(seen:text(printed))
  if want ~= got then return ("real:\n%s\nhere:\n%s"):format(want, got) end
end

---@param recording table one of spec/golden/flows.json
---@return string[] differences
function flow.play(recording)
  local cluster <close> = world()
  local seen, differences = learn(cluster), {}
  for i, step in ipairs(recording.steps) do
    cluster:advance(step.after)
    local difference = (step["do"][1] == "dns" and ask_dns or run_kubectl)(cluster, seen, step)
    if difference and not step.varies then
      differences[#differences + 1] = ("step %d, %s %s: %s"):format(i, step["do"][1], step["do"][2]:match "^[^\n]*", difference)
    end
  end
  return differences
end

return flow
