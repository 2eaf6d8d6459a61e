-- spec/golden/verdicts.json: what the validation code of v1.36's API server says to objects that are wrong in one way or another, and
-- to changes that are not allowed: a row for each text that it has for each field. `before`: the object of each kind that is changed
-- (`change`: "spec" with a whole object, "status" with a merge patch);
-- `causes`: field and message of each, in order.
local kubesim = require "kubesim"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

local function causes_of(err)
  local list = {}
  for i, cause in ipairs(type(err) == "table" and err.details and err.details.causes or {}) do
    list[i] = { cause.field, cause.message }
  end
  return list
end

describe("the API server finds what is wrong with", function()
  local verdicts <const> = read "spec/golden/verdicts.json"
  local cluster
  setup(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  teardown(function() cluster:close() end)

  for i, row in ipairs(verdicts.rows) do
    local what = row.change == "status" and "a status of a" or row.change and "a change of a" or "a"
    it(("%s %s: %s (%d)"):format(what, row.kind, row.causes[1][1], i), function()
      local ok, err
      if row.change then
        local fork <close> = cluster:fork()
        local before = fork:create(verdicts.before[row.kind])[1].metadata
        if row.change == "status" then
          ok, err = pcall(fork.patch, fork, row.kind .. "/" .. before.name, row.new, { type = "merge", subresource = "status" })
        else
          local version = ('"resourceVersion":%q'):format(before.resourceVersion)
          ok, err = pcall(fork.replace, fork, (row.new:gsub('"resourceVersion":""', version)))
        end
      else
        ok, err = pcall(cluster.create, cluster, row.new, { dry_run = true })
      end
      assert(not ok, "it was accepted")
      assert.same(row.causes, causes_of(err))
    end)
  end
end)
