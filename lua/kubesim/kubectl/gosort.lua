--- Sorts as Go's sort.Sort does: where items are equal, they end up in the very order in which Go leaves them (it is not stable). Used
--- for --sort-by and for lists of events. Pattern-defeating quicksort, as the package `sort` has it since Go 1.19.

local MAX_INSERTION <const>, SHORTEST_NINTHER <const>, SHORTEST_SHIFTING <const> = 12, 50, 50

---@class kubesim.kubectl.gosort.Run
---@field list any[]
---@field less fun(a: any, b: any): boolean
local Run = {}
Run.__index = Run

-- Places count from 0, as there: what depends on them (pivots, the generator) stays the same.
function Run:before(i, j) return self.less(self.list[i + 1], self.list[j + 1]) end

function Run:swap(i, j)
  local list = self.list
  list[i + 1], list[j + 1] = list[j + 1], list[i + 1]
end

function Run:insertion(a, b)
  for i = a + 1, b - 1 do
    local j = i
    while j > a and self:before(j, j - 1) do
      self:swap(j, j - 1)
      j = j - 1
    end
  end
end

function Run:sift_down(root, last, first)
  while true do
    local child = 2 * root + 1
    if child >= last then return end
    if child + 1 < last and self:before(first + child, first + child + 1) then child = child + 1 end
    if not self:before(first + root, first + child) then return end
    self:swap(first + root, first + child)
    root = child
  end
end

function Run:heap(a, b)
  local n = b - a
  for i = (n - 1) // 2, 0, -1 do self:sift_down(i, n, a) end
  for i = n - 1, 0, -1 do
    self:swap(a, a + i)
    self:sift_down(0, i, a)
  end
end

local function bits(n)
  local count = 0
  while n > 0 do n, count = n >> 1, count + 1 end
  return count
end

-- Scatters three items, where a pattern has led to bad pivots.
function Run:break_patterns(a, b)
  local length = b - a
  if length < 8 then return end
  local random, mask = length, (1 << bits(length)) - 1
  local at = a + length // 4 * 2 - 1
  for i = 0, 2 do
    random = random ~ (random << 13)
    random = random ~ (random >> 7)
    random = random ~ (random << 17)
    local other = random & mask
    if other >= length then other = other - length end
    self:swap(at + i, a + other)
  end
end

-- The middle one of three places, and how many were in the wrong order.
function Run:median(a, b, c, swaps)
  if self:before(b, a) then a, b, swaps = b, a, swaps + 1 end
  if self:before(c, b) then b, swaps = c, swaps + 1 end
  if self:before(b, a) then b, swaps = a, swaps + 1 end
  return b, swaps
end

---@return integer pivot
---@return "increasing"|"decreasing"|"unknown" hint
function Run:choose_pivot(a, b)
  local length, swaps = b - a, 0
  local quarter = length // 4
  local i, j, k = a + quarter, a + quarter * 2, a + quarter * 3
  if length >= SHORTEST_NINTHER then
    i, swaps = self:median(i - 1, i, i + 1, swaps)
    j, swaps = self:median(j - 1, j, j + 1, swaps)
    k, swaps = self:median(k - 1, k, k + 1, swaps)
  end
  j, swaps = self:median(i, j, k, swaps)
  return j, swaps == 0 and "increasing" or swaps == 12 and "decreasing" or "unknown"
end

function Run:reverse(a, b)
  local i, j = a, b - 1
  while i < j do
    self:swap(i, j)
    i, j = i + 1, j - 1
  end
end

-- Sorts what is sorted but for a few items; true when it is sorted then.
function Run:partial_insertion(a, b)
  local i = a + 1
  for _ = 1, 5 do
    while i < b and not self:before(i, i - 1) do i = i + 1 end
    if i == b then return true end
    if b - a < SHORTEST_SHIFTING then return false end
    self:swap(i, i - 1)
    if i - a >= 2 then
      local j = i - 1
      while j >= 1 and self:before(j, j - 1) do
        self:swap(j, j - 1)
        j = j - 1
      end
    end
    if b - i >= 2 then
      local j = i + 1
      while j < b and self:before(j, j - 1) do
        self:swap(j, j - 1)
        j = j + 1
      end
    end
  end
  return false
end

-- Moves what equals the pivot to the front; where the rest begins.
function Run:partition_equal(a, b, pivot)
  self:swap(a, pivot)
  local i, j = a + 1, b - 1
  while true do
    while i <= j and not self:before(a, i) do i = i + 1 end
    while i <= j and self:before(a, j) do j = j - 1 end
    if i > j then return i end
    self:swap(i, j)
    i, j = i + 1, j - 1
  end
end

-- Parts smaller items from others around the pivot; its new place, and whether nothing had to be moved.
function Run:partition(a, b, pivot)
  self:swap(a, pivot)
  local i, j, moved = a + 1, b - 1, false
  while true do
    while i <= j and self:before(i, a) do i = i + 1 end
    while i <= j and not self:before(j, a) do j = j - 1 end
    if i > j then break end
    self:swap(i, j)
    i, j, moved = i + 1, j - 1, true
  end
  self:swap(j, a)
  return j, not moved
end

function Run:sort(a, b, limit)
  local balanced, partitioned = true, true
  while true do
    local length = b - a
    if length <= MAX_INSERTION then return self:insertion(a, b) end
    if limit == 0 then return self:heap(a, b) end
    if not balanced then
      self:break_patterns(a, b)
      limit = limit - 1
    end
    local pivot, hint = self:choose_pivot(a, b)
    if hint == "decreasing" then
      self:reverse(a, b)
      pivot, hint = (b - 1) - (pivot - a), "increasing"
    end
    if balanced and partitioned and hint == "increasing" and self:partial_insertion(a, b) then return end
    if a > 0 and not self:before(a - 1, pivot) then
      a = self:partition_equal(a, b, pivot)
    else
      local middle
      middle, partitioned = self:partition(a, b, pivot)
      local left, right = middle - a, b - middle
      balanced = math.min(left, right) >= length // 8
      if left < right then
        self:sort(a, middle, limit)
        a = middle + 1
      else
        self:sort(middle + 1, b, limit)
        b = middle
      end
    end
  end
end

---Sorts a list in place.
---@generic T
---@param list T[]
---@param less fun(a: T, b: T): boolean
---@return T[] list
return function(list, less)
  local n = #list
  if n > 1 then setmetatable({ list = list, less = less }, Run):sort(0, n, bits(n)) end
  return list
end
