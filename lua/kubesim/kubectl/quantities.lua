--- "cpu=100m,memory=1Gi" as people write lists of resources. kubectl create quota and kubectl set resources call it.
--- k8s.io/kubectl/pkg/generate/versioned/run.go: populateResourceListV1.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

---@param text string
---@return table<string, string>?  nil of nothing
return function(text)
  if text == "" then return nil end
  local map = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local name, amount = part:match "^([^=]*)=([^=]*)$"
    if not name then errors.fail("Invalid argument syntax %s, expected <resource>=<value>", part) end
    local quantity, why = core.quantity(amount)
    if not quantity then errors.fail("%s", why) end
    map[name] = tostring(quantity)
  end
  return map
end
