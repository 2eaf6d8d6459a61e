--- describe of ConfigMaps, Secrets, ServiceAccounts, PodDisruptionBudgets and PriorityClasses. Called by describe/init.lua.
---
--- kubectl/pkg/describe/describe.go.
local blocks <const> = require "kubesim.kubectl.describe.blocks"
local values <const> = require "kubesim.kubectl.values"

local at <const>, list <const>, present <const> = values.at, values.list, values.present

---How many bytes base64 text stands for.
local function decoded_size(text)
  text = text:gsub("%s", "")
  return #text // 4 * 3 - #text:match "=*$"
end

local BASE64 <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function decode(text)
  local bits, count, bytes = 0, 0, {}
  for c in text:gmatch "[%w+/]" do
    bits, count = bits << 6 | BASE64:find(c, 1, true) - 1, count + 6
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(bits >> count & 0xff)
    end
  end
  return table.concat(bytes)
end

---@param w kubesim.describe.Writer
---@param map table
---@param cx kubesim.describe.Context
local function config_map(w, map, cx)
  blocks.name(w, map)
  blocks.metadata(w, map)
  w:write(0, "\nData\n====\n")
  for _, key in ipairs(values.sorted_keys(map.data)) do w:write(0, "%s:\n----\n%s\n\n", key, map.data[key]) end
  w:write(0, "\nBinaryData\n====\n")
  for _, key in ipairs(values.sorted_keys(map.binaryData)) do w:write(0, "%s: %d bytes\n", key, decoded_size(map.binaryData[key])) end
  w:write(0, "\n")
  blocks.events(w, cx:events(map), cx.now)
end

---@param w kubesim.describe.Writer
---@param secret table
local function describe_secret(w, secret)
  local type = present(secret.type) or ""
  blocks.name(w, secret)
  blocks.metadata(w, secret)
  w:write(0, "\nType:\t%s\n", type)
  w:write(0, "\nData\n====\n")
  for _, key in ipairs(values.sorted_keys(secret.data)) do
    if key == "token" and type == "kubernetes.io/service-account-token" then
      w:write(0, "%s:\t%s\n", key, decode(secret.data[key]))
    else
      w:write(0, "%s:\t%d bytes\n", key, decoded_size(secret.data[key]))
    end
  end
end

---@param w kubesim.describe.Writer
---@param account table
---@param cx kubesim.describe.Context
local function service_account(w, account, cx)
  blocks.name(w, account)
  blocks.metadata(w, account)
  local header = "Image pull secrets:"
  if #list(account.imagePullSecrets) == 0 then w:write(0, "%s\t<none>\n", header) end
  for _, secret in ipairs(list(account.imagePullSecrets)) do
    w:write(0, "%s\t%s\n", header, present(secret.name) or "")
    header = (" "):rep(#header)
  end
  blocks.events(w, cx:events(account), cx.now)
end

---@param w kubesim.describe.Writer
---@param budget table
---@param cx kubesim.describe.Context
local function disruption_budget(w, budget, cx)
  local spec, status = list(budget.spec), list(budget.status)
  blocks.name(w, budget)
  if present(spec.minAvailable) then
    w:write(0, "Min available:\t%s\n", values.int_or_string(spec.minAvailable))
  elseif present(spec.maxUnavailable) then
    w:write(0, "Max unavailable:\t%s\n", values.int_or_string(spec.maxUnavailable))
  end
  w:write(0, "Selector:\t%s\n", present(spec.selector) and values.or_none(values.selector(spec.selector)) or "<unset>")
  w:write(0, "Status:\n")
  w:write(2, "Allowed disruptions:\t%d\n", present(status.disruptionsAllowed) or 0)
  w:write(2, "Current:\t%d\n", present(status.currentHealthy) or 0)
  w:write(2, "Desired:\t%d\n", present(status.desiredHealthy) or 0)
  w:write(2, "Total:\t%d\n", present(status.expectedPods) or 0)
  blocks.events(w, cx:events(budget), cx.now)
end

---@param w kubesim.describe.Writer
---@param class table
---@param cx kubesim.describe.Context
local function priority_class(w, class, cx)
  w:write(0, "Name:\t%s\n", class.metadata.name)
  w:write(0, "Value:\t%d\n", present(class.value) or 0)
  w:write(0, "GlobalDefault:\t%s\n", tostring(class.globalDefault == true))
  w:write(0, "PreemptionPolicy:\t%s\n", present(class.preemptionPolicy) or "")
  w:write(0, "Description:\t%s\n", present(class.description) or "")
  w:write(0, "Annotations:\t%s\n", values.labels(at(class, "metadata", "annotations")))
  blocks.events(w, cx:events(class), cx.now)
end

return {
  ConfigMap = config_map, Secret = describe_secret, ServiceAccount = service_account, PodDisruptionBudget = disruption_budget,
  PriorityClass = priority_class,
}
