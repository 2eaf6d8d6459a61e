-- spec/golden/names.json: questions that a real cluster's CoreDNS 1.12.1 answered.
local kubesim = require "kubesim"

local function read(path)
  local f <close> = assert(io.open(path))
  return kubesim.json.decode(f:read "a")
end

describe("cluster DNS", function()
  local recording = read "spec/golden/names.json"
  local cluster, addresses

  setup(function()
    cluster = kubesim.new { kubelet = "manual", nodes = 1 }
    for _, step in ipairs(recording.steps) do -- a cluster IP that was asked for stands under an alias too
      cluster[step[1]](cluster, step[2]:gsub("clusterIP: IP%(%w+%)", "clusterIP: 10.96.0.77"), step[3])
      cluster:advance(2)
    end
    addresses = {}
    for _, o in ipairs(cluster:list "Pod") do addresses[o.metadata.name] = o.status.podIP end
    for _, o in ipairs(cluster:list "Service") do addresses[o.metadata.name] = addresses[o.metadata.name] or o.spec.clusterIP end
  end)
  teardown(function() cluster:close() end)

  --- Recorded text with this cluster's addresses in it.
  local function real(text)
    text = text:gsub("rev%(IP%((.-)%)%)", function(name)
      return (addresses[name]:gsub("^(%d+)%.(%d+)%.(%d+)%.(%d+)$", "%4.%3.%2.%1.in-addr.arpa"))
    end)
    text = text:gsub("dashed%(IP%((.-)%)%)", function(name) return (addresses[name]:gsub("%.", "-")) end)
    return (text:gsub("IP%((.-)%)", addresses))
  end

  local function line(name, ttl, kind, data)
    return ("%s %d %s %s"):format(name:gsub("%.$", ""), ttl, kind, (data:gsub("%.$", "")))
  end

  local function answered(records)
    local lines = {}
    for i, r in ipairs(records) do
      local data = r.address or r.text or r.target
      if r.type == "SRV" then data = ("%d %d %d %s"):format(r.priority, r.weight, r.port, r.target) end
      if r.type == "SOA" then data = data:gsub(" %d+ 7200", " <serial> 7200") end
      lines[i] = line(r.name, r.ttl, r.type, data)
    end
    table.sort(lines)
    return lines
  end

  for _, query in ipairs(recording.queries) do
    it(("answers %s for %s"):format(query.type, query.name), function()
      local want = {}
      for i, row in ipairs(query.answer) do want[i] = line(real(row[1]), row[2], row[3], real(row[4])) end
      table.sort(want)
      local got, why = cluster:resolve(real(query.name), { type = query.type })
      if #want == 0 then
        assert.is_nil(got)
        assert.equal(query.rcode == "NXDOMAIN" and "NXDOMAIN" or "NODATA", why)
      else
        assert.same(want, answered(assert(got, why)))
      end
    end)
  end
end)
