-- A cluster that is two: what is asked of it is asked of both, and both must say the same. Watches are the first one's alone, and so
-- is what they ask while time passes.
local kubesim = require "kubesim"

---@class spec.Double
local Double = {}

---All that a cluster shows of itself, as text.
---@param cluster kubesim.Cluster
---@return string
function Double.whole(cluster)
  local parts = { tostring(cluster:now()), cluster:trace() }
  for _, info in ipairs(cluster.core:kinds()) do
    parts[#parts + 1] = kubesim.json.encode(cluster:list(info.kind, { all_namespaces = true }))
  end
  return table.concat(parts, "\n")
end

---What a call came to, as text.
local function outcome(fine, ...)
  local parts = { tostring(fine) }
  for i, value in ipairs(table.pack(...)) do
    parts[i + 1] = type(value) == "table" and fine and kubesim.json.encode(value) or tostring(value)
  end
  return table.concat(parts, " ")
end

---@param first kubesim.Cluster
---@param second kubesim.Cluster
---@return kubesim.Cluster
function Double.new(first, second)
  local busy = false
  return setmetatable({}, { __index = function(_, name)
    return function(_, ...)
      if busy or name == "watch" then return first[name](first, ...) end
      busy = true
      local one = table.pack(pcall(first[name], first, ...))
      busy = false
      local other = table.pack(pcall(second[name], second, ...))
      assert(outcome(table.unpack(one)) == outcome(table.unpack(other)), name .. " came to something else")
      assert(first:trace() == second:trace() and first:now() == second:now(), "after " .. name .. " they have parted")
      if not one[1] then error(one[2], 0) end
      return table.unpack(one, 2, one.n)
    end
  end })
end

---A cluster and what comes of it when it is written to a file and read again, as a double; and a function that ends the second.
---@param cluster kubesim.Cluster
---@param opts? table   what kubesim.load is given
---@return kubesim.Cluster
---@return fun() close   compares them whole, before
function Double.saved(cluster, opts)
  local path = os.tmpname()
  cluster:save(path)
  local second = kubesim.load(path, opts)
  os.remove(path)
  return Double.new(cluster, second), function()
    assert(Double.whole(cluster) == Double.whole(second), "they have parted")
    second:close()
  end
end

return Double
