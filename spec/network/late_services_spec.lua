-- A Service that comes when there are many pods finds those that have its labels by then: whatever labels they had, and in forks.
local kubesim = require "kubesim"
local dice = require "spec.support.dice"

local TEAMS <const> = { "a", "b", "c", "d" }

local function pod(name, team)
  return {
    apiVersion = "v1", kind = "Pod", metadata = { name = name, labels = { app = "x", team = team } },
    spec = { containers = { { name = "main", image = "app:1" } } },
  }
end

--- Something becomes of a pod, or there is a new one.
local function happen(cluster, rolled, team_of)
  local name, what = "p" .. rolled.below(90), rolled.below(4)
  if not team_of[name] then
    team_of[name] = rolled.one_of(TEAMS)
    cluster:create(pod(name, team_of[name]))
    cluster:advance(1)
    cluster:drive(name, "ready")
  elseif what == 0 then
    cluster:delete("pod/" .. name, { grace_period = 0, force = true })
    team_of[name] = nil
  else
    team_of[name] = rolled.one_of(TEAMS)
    cluster:patch("pod/" .. name, { metadata = { labels = { team = team_of[name] } } })
  end
end

local function check(cluster, team_of, team)
  cluster:apply(([[
apiVersion: v1
kind: Service
metadata: {name: late}
spec: {clusterIP: None, selector: {team: %s}, ports: [{port: 80}]}
]]):format(team))
  cluster:advance(1)
  local expected, found = {}, {}
  for name, its in pairs(team_of) do
    if its == team then expected[#expected + 1] = name end
  end
  for _, subset in ipairs(cluster:get("endpoints/late").subsets or {}) do
    for _, address in ipairs(subset.addresses) do found[#found + 1] = address.targetRef.name end
  end
  table.sort(expected)
  table.sort(found)
  assert.same(expected, found)
  cluster:delete "service/late"
  cluster:advance(1)
end

describe("A Service that comes late", function()
  for seed = 1, 4 do
    it("has the pods that have its labels by then (" .. seed .. ")", function()
      local cluster <close> = kubesim.new { nodes = 2, kubelet = "manual", seed = seed }
      local rolled, team_of = dice(seed), {}
      for i = 0, 79 do
        team_of["p" .. i] = rolled.one_of(TEAMS)
        cluster:create(pod("p" .. i, team_of["p" .. i]))
      end
      cluster:advance(1)
      for name in pairs(team_of) do cluster:drive(name, "ready") end
      for step = 1, 40 do
        for _ = 1, rolled.below(4) do happen(cluster, rolled, team_of) end
        check(cluster, team_of, rolled.one_of(TEAMS))
        if step % 10 == 0 then
          local fork <close> = cluster:fork()
          local there = {}
          for name, team in pairs(team_of) do there[name] = team end
          for _ = 1, 5 do happen(fork, rolled, there) end
          for _, team in ipairs(TEAMS) do check(fork, there, team) end
        end
      end
    end)
  end
end)
