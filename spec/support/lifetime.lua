--- Plays the recorded life of a pod on a real kubelet against a cluster and tells each difference. Used by
--- spec/kubelet/recorded_lifetimes_spec.lua; the data lies in spec/golden/lifetimes.json.
---
--- A life is seen as tracks: the phase, each container, each condition, the deletion. A track has to take the same values in the
--- same order, each at about the same time; each event has to appear, about as often.
local kubesim = require "kubesim"

local lifetime = {}

-- Images ---------------------------------------------------------------------------------------------------------------

local function seconds(time)
  local y, mo, d, h, mi, s = time:match "(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)"
  return os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s }
end

---Since when a pod's first running container runs.
local function age(cluster, pod)
  for _, c in ipairs(pod.status.containerStatuses or {}) do
    if c.state.running then return seconds(cluster:clock()) - seconds(c.state.running.startedAt) end
  end
  return 0
end

local function answer(good) return good and "fine\n" or "no good\n", good and 0 or 1 end

---What an image of the recordings does, by its name.
local function behaviour(cluster, image)
  local b = {
    pull = 0, start = 0, stop = 0,
    commands = {
      ["true"] = function() return answer(true) end,
      ["false"] = function() return answer(false) end,
      sleep = function() return answer(true) end,
      ["ok-after"] = function(args, pod) return answer(age(cluster, pod) >= tonumber(args[#args])) end,
      ["fail-after"] = function(args, pod) return answer(age(cluster, pod) < tonumber(args[#args])) end,
    },
  }
  local code, after = image:match "^exit(%d+):(%d+)$"
  if code then b.exit = { code = tonumber(code), after = tonumber(after) } end
  local name = image:match "^[^:]*"
  if name == "oom" then b.exit = { code = 137, after = 2, reason = "OOMKilled" } end
  if name == "stubborn" then b.stop = false end
  if name == "linger" then b.stop = 3 end
  if name == "missing" then b.exists = false end
  if name == "slow" then b.pull = 3 end
  if name == "nostart" then b.start_error = 'exec: "nothing": executable file not found in $PATH' end
  return b
end

lifetime.behaviour = behaviour

-- Tracks ---------------------------------------------------------------------------------------------------------------

---What one version of a pod shows, in the recording's form.
local function shown(what, pod, at)
  local status = pod.status or {}
  local entry = { t = at, phase = status.phase, reason = status.reason, gone = what == "DELETED", conditions = {} }
  if pod.metadata.deletionTimestamp then entry.deleting = pod.metadata.deletionGracePeriodSeconds end
  for group, list in pairs { init = "initContainerStatuses", containers = "containerStatuses" } do
    for _, c in ipairs(status[list] or {}) do
      local state, v = next(c.state)
      entry[group] = entry[group] or {}
      entry[group][c.name] = { state = state, reason = v.reason, exitCode = v.exitCode, restarts = c.restartCount, ready = c.ready }
    end
  end
  for _, c in ipairs(status.conditions or {}) do
    local reason, message = c.reason and " " .. c.reason or "", c.message or ""
    entry.conditions[c.type] = c.status .. reason .. (message ~= "" and ": " .. message or "")
  end
  return entry
end

local function container_line(c)
  return ("%s%s%s, restarts %d, %s"):format(c.state, c.reason and " " .. c.reason or "",
    c.exitCode and (" %d"):format(c.exitCode) or "", c.restarts, c.ready and "ready" or "not ready")
end

---@return table<string, { at: number, value: string }[]>
local function tracks(timeline)
  local all = {}
  local function note(name, at, value)
    local track = all[name] or {}
    all[name] = track
    if not track[#track] or track[#track].value ~= value then track[#track + 1] = { at = at, value = value } end
  end
  for _, e in ipairs(timeline) do
    note("phase", e.t, e.phase .. (e.reason and " " .. e.reason or ""))
    if e.deleting then note("deletion", e.t, ("grace %d"):format(e.deleting)) end
    if e.gone then note("deletion", e.t, "gone") end
    for _, group in ipairs { "init", "containers" } do
      for name, c in pairs(e[group] or {}) do note("container " .. name, e.t, container_line(c)) end
    end
    for name, value in pairs(e.conditions) do
      if name ~= "PodReadyToStartContainers" then note("condition " .. name, e.t, value) end
    end
  end
  return all
end

---A real kubelet looks each second, and retries late by up to a half.
local function near(a, b) return math.abs(a - b) <= 3 + 0.3 * math.max(a, b) end

local function same_track(want, got, ends)
  local both = math.min(#want, #got)
  for i = 1, both do
    if want[i].value ~= got[i].value or not near(want[i].at, got[i].at) then return false end
  end
  local rest = want[both + 1] or got[both + 1] -- how often something came before the end is a matter of delays
  return not rest or rest.at > 0.7 * ends
end

local function track_line(track)
  local parts = {}
  for i, e in ipairs(track) do parts[i] = ("%.0fs %s"):format(e.at, e.value) end
  return table.concat(parts, " | ")
end

local function compare_tracks(life, timeline, ends, differences)
  local want, got = tracks(life.timeline), tracks(timeline)
  for _, name in ipairs(life.varies or {}) do want[name] = nil end
  for name, track in pairs(want) do
    if not same_track(track, got[name] or {}, ends) then
      differences[#differences + 1] = ("%s:\n  real    %s\n  kubesim %s"):format(name, track_line(track), track_line(got[name] or {}))
    end
  end
end

-- Events ---------------------------------------------------------------------------------------------------------------

local function compare_events(life, cluster, uid, differences)
  local want, got, may = {}, {}, {}
  local function note(list, e, message)
    -- whether an image was on the node already depended on the pods before: pulls count where they fail
    if e.reason:find "^Pull" and life.name ~= "missing-image" then return end
    list[("%s %s %s"):format(e.type, e.reason, message:gsub("in %d+[%w.]* %(.-%)%.", "in TIME."))] = e.count or 1
  end
  for _, e in ipairs(life.events) do note(want, e, e.message) end
  for _, e in ipairs(life.events_may or {}) do note(may, e, e.message) end
  for _, e in ipairs(cluster:events { ref = "pod/" .. life.name }) do
    local from, to = e.message:find(uid, 1, true)
    note(got, e, from and e.message:sub(1, from - 1) .. "uid(Pod/" .. life.name .. ")" .. e.message:sub(to + 1) or e.message)
  end
  for line, count in pairs(want) do
    if not may[line] and not got[line] then differences[#differences + 1] = "no event " .. line end
    if not may[line] and got[line] and math.abs(got[line] - count) > 2 + 0.3 * count then
      differences[#differences + 1] = ("event %d times, %d on the real one: %s"):format(got[line], count, line)
    end
  end
  for line in pairs(got) do
    if not want[line] and not may[line] then differences[#differences + 1] = "event of its own: " .. line end
  end
end

-- Playing --------------------------------------------------------------------------------------------------------------

local actions = {
  delete = function(cluster, ref) cluster:delete(ref) end,
  delete2 = function(cluster, ref) cluster:delete(ref, { grace_period = 2 }) end,
  force = function(cluster, ref) cluster:delete(ref, { grace_period = 0 }) end,
  gate = function(cluster, ref)
    local status = { conditions = { { type = "example.com/go", status = "True" } } }
    cluster:patch(ref, { status = status }, { subresource = "status" })
  end,
}

local function last_instant(life)
  local ends = 0
  for _, list in ipairs { life.timeline, life.events } do
    for _, e in ipairs(list) do ends = math.max(ends, e.t) end
  end
  for _, a in ipairs(life.actions) do ends = math.max(ends, a[1]) end
  return ends
end

---@param life table one of spec/golden/lifetimes.json
---@param seed? integer
---@return string[] differences
function lifetime.play(life, seed)
  local cluster <close> = kubesim.new { nodes = { { name = "node-k" } }, latency = 0, seed = seed }
  for _, group in ipairs { "initContainers", "containers" } do
    for _, c in ipairs(life.spec[group] or {}) do cluster:image(c.image, behaviour(cluster, c.image)) end
  end
  local timeline = {}
  cluster:watch("pod", function(what, pod) timeline[#timeline + 1] = shown(what, pod, cluster:now()) end)
  local created = cluster:create { apiVersion = "v1", kind = "Pod", metadata = { name = life.name }, spec = life.spec }
  for _, action in ipairs(life.actions) do
    cluster:advance(action[1] - cluster:now())
    actions[action[2]](cluster, "pod/" .. life.name)
  end
  local ends, differences = last_instant(life), {}
  cluster:advance(ends + 6 - cluster:now())
  compare_tracks(life, timeline, ends, differences)
  compare_events(life, cluster, created[1].metadata.uid, differences)
  return differences
end

return lifetime
