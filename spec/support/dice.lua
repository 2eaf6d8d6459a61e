-- What is random in a life: a small generator of its own, so that a seed means the same life on every machine.

---@param seed integer
return function(seed)
  local state = (seed * 2654435761 + 88172645463325252) & 0x7fffffffffffffff
  local function next_number(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return (state >> 11) % n
  end
  for _ = 1, 8 do next_number(2) end
  return {
    below = next_number,
    chance = function(percent) return next_number(100) < percent end,
    one_of = function(list) return list[next_number(#list) + 1] end,
  }
end
