--- A selector's text as a LabelSelector. kubectl create poddisruptionbudget and kubectl set selector call it.
--- k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go: ParseToLabelSelector.
local core <const> = require "kubesim.core"
local errors <const> = require "kubesim.kubectl.errors"

---@param text string
---@return table
return function(text)
  local selector, why = core.selector(text)
  if not selector then errors.fail("couldn't parse the selector string \"%s\": %s", text, why) end
  local labels, expressions = {}, {}
  local rest = text
  local function take(pattern)
    local s, e, a, b = rest:find("^%s*" .. pattern .. "%s*,?%s*")
    if s then rest = rest:sub(e + 1) end
    return a, b
  end
  local function add(key, operator, list)
    local values = list and {}
    for value in ((list or "") .. ","):gmatch "%s*([^,]*)," do
      if list then values[#values + 1] = value:match "^(.-)%s*$" end
    end
    if values then table.sort(values) end
    expressions[#expressions + 1] = { key = key, operator = operator, values = values }
  end
  while rest:find "%S" do
    local key, value = take "([^%s,=!()]+)%s+in%s*(%b())"
    if key then add(key, "In", value:sub(2, -2)) goto next end
    key, value = take "([^%s,=!()]+)%s+notin%s*(%b())"
    if key then add(key, "NotIn", value:sub(2, -2)) goto next end
    if rest:find "^%s*[^%s,=!()]+%s*!=" then errors.fail '"!=" is not a valid label selector operator' end
    key, value = take "([^%s,=!()<>]+)%s*([<>])%s*[^%s,=!()]*"
    if key then errors.fail("\"%s\" isn't supported in label selectors", value == ">" and "gt" or "lt") end
    key, value = take "([^%s,=!()]+)%s*==?%s*([^%s,=!()]*)"
    if key then labels[key] = value goto next end
    key = take "!%s*([^%s,=!()]+)"
    if key then add(key, "DoesNotExist") goto next end
    add((take "([^%s,=!()]+)"), "Exists")
    ::next::
  end
  return { matchLabels = next(labels) and labels or nil, matchExpressions = #expressions > 0 and expressions or nil }
end
