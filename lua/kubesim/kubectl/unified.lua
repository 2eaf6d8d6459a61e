--- What `diff -u` prints about two texts: lines that differ with three lines around them. kubectl diff calls it.
---
--- The longest common sequence of lines (in O(ND), Myers); runs of changed lines are moved down as far as they go, as diff does.

---@class kubesim.kubectl.unified
local unified = {}

local CONTEXT <const> = 3

local function lines_of(text)
  local list = {}
  for line in text:gmatch "([^\n]*)\n" do list[#list + 1] = line end
  local rest = text:match "([^\n]+)$"
  if rest then list[#list + 1] = rest end
  return list
end

---Which lines of a and b are changed: two lists of booleans. `far[k]` is how far a path on the diagonal k has come in a.
local function changes(a, b)
  local n, m, gone, come = #a, #b, {}, {}
  local far, trace, edits = { [1] = 0 }, {}, nil
  for d = 0, n + m do
    local before = {}
    for k = -d - 1, d + 1 do before[k] = far[k] end
    trace[d] = before
    for k = -d, d, 2 do
      local x = (k == -d or k ~= d and far[k - 1] < far[k + 1]) and far[k + 1] or far[k - 1] + 1
      while x < n and x - k < m and a[x + 1] == b[x - k + 1] do x = x + 1 end
      far[k] = x
      if x >= n and x - k >= m then edits = d break end
    end
    if edits then break end
  end
  local k = n - m
  for d = edits, 1, -1 do
    local before = trace[d]
    local down = k == -d or k ~= d and before[k - 1] < before[k + 1]
    local prior = down and k + 1 or k - 1
    local x = before[prior]
    if down then come[x - prior + 1] = true else gone[x + 1] = true end
    k = prior
  end
  return gone, come
end

---Moves runs of changed lines down while the line behind a run equals its first one.
local function slide(lines, marked)
  local i = #lines
  while i >= 1 do
    if marked[i] and not marked[i + 1] then
      local first, last = i, i
      while marked[first - 1] do first = first - 1 end
      while last < #lines and not marked[last + 1] and lines[first] == lines[last + 1] do
        marked[first], marked[last + 1] = nil, true
        first, last = first + 1, last + 1
        while marked[last + 1] do last = last + 1 end
      end
      i = first
    end
    i = i - 1
  end
end

---All lines with their signs, and their numbers in both texts.
local function script(a, b, gone, come)
  local list, i, j = {}, 1, 1
  while i <= #a or j <= #b do
    if gone[i] then list[#list + 1], i = { "-", a[i], i, j }, i + 1
    elseif come[j] then list[#list + 1], j = { "+", b[j], i, j }, j + 1
    else list[#list + 1], i, j = { " ", a[i], i, j }, i + 1, j + 1 end
  end
  return list
end

local function range(first, count)
  if count == 1 then return tostring(first) end
  return ("%d,%d"):format(count == 0 and first - 1 or first, count)
end

local function hunk(list, from, to, out)
  local left, right = 0, 0
  for at = from, to do
    if list[at][1] ~= "+" then left = left + 1 end
    if list[at][1] ~= "-" then right = right + 1 end
  end
  out[#out + 1] = ("@@ -%s +%s @@\n"):format(range(list[from][3], left), range(list[from][4], right))
  for at = from, to do out[#out + 1] = list[at][1] .. list[at][2] .. "\n" end
end

---The hunks; "" when the texts are equal.
---@param before string
---@param after string
---@return string
function unified.hunks(before, after)
  local a, b = lines_of(before), lines_of(after)
  local gone, come = changes(a, b)
  slide(a, gone)
  slide(b, come)
  local list, out = script(a, b, gone, come), {}
  local from, last
  for at, line in ipairs(list) do
    if line[1] ~= " " then
      if from and at - last > 2 * CONTEXT + 1 then
        hunk(list, from, last + CONTEXT, out)
        from = nil
      end
      from = from or math.max(1, at - CONTEXT)
      last = at
    end
  end
  if from then hunk(list, from, math.min(#list, last + CONTEXT), out) end
  return table.concat(out)
end

return unified
