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

--- What a row's call comes to: whether it was accepted, and the error.
local function answer(cluster, verdicts, row)
  if not row.change then return pcall(cluster.create, cluster, row.new, { dry_run = true }) end
  local fork <close> = cluster:fork()
  local before = fork:create(verdicts.before[row.kind])[1].metadata
  if row.change == "status" then
    return pcall(fork.patch, fork, row.kind .. "/" .. before.name, row.new, { type = "merge", subresource = "status" })
  end
  local version = ('"resourceVersion":%q'):format(before.resourceVersion)
  return pcall(fork.replace, fork, (row.new:gsub('"resourceVersion":""', version)))
end

describe("the API server finds what is wrong with", function()
  local verdicts <const> = read "spec/golden/verdicts.json"
  local cluster
  setup(function() cluster = kubesim.new { nodes = 1, kubelet = "manual" } end)
  teardown(function() cluster:close() end)

  for i, row in ipairs(verdicts.rows) do
    local what = row.change == "status" and "a status of a" or row.change and "a change of a" or "a"
    it(("%s %s: %s (%d)"):format(what, row.kind, row.causes[1][1], i), function()
      local ok, err = answer(cluster, verdicts, row)
      assert(not ok, "it was accepted")
      assert.same(row.causes, causes_of(err))
    end)
  end
end)

-- spec/golden/older_answers.json: what the real API servers of older releases said otherwise to rows of verdicts.json and of
-- refusals.json: which row, and the causes; true: it was accepted.
describe("the API server of an older release", function()
  local verdicts <const> = read "spec/golden/verdicts.json"
  local refusals <const> = read "spec/golden/refusals.json"
  for release, rows in pairs(read "spec/golden/older_answers.json") do
    it("answers as it did: " .. release, function()
      local cluster <close> = kubesim.new { nodes = 1, kubelet = "manual", version = release }
      for _, old in ipairs(rows) do
        local row = old[1] == "verdicts" and verdicts.rows[old[2]] or { new = refusals[old[2]].manifest }
        local ok, err = answer(cluster, verdicts, row)
        assert.same(old[3], ok or causes_of(err), old[1] .. " " .. old[2])
      end
    end)
  end
end)
