-- --sort-by: values, and where equal ones end up.
local kubesim = require "kubesim"
local gosort = require "kubesim.kubectl.gosort"
local sorting = require "kubesim.kubectl.sorting"

describe("Go's sort", function()
  ---Sorts numbers by their tens.
  local function by_tens(text)
    local list = {}
    for n in text:gmatch "%d+" do list[#list + 1] = tonumber(n) end
    return table.concat(gosort(list, function(a, b) return a // 10 < b // 10 end), ",")
  end

  it("leaves up to twelve equal items as they were", function()
    assert.equal("3,1,2,12,11,10", by_tens "12,3,11,1,2,10")
  end)

  -- What Go 1.26 made of these lists.
  it("leaves equal items of longer lists where Go leaves them", function()
    assert.equal("8,9,1,14,15,23,25,33,38,37,35,47,49", by_tens "47,9,23,49,1,14,33,38,8,15,37,25,35")
    assert.equal("4,1,6,2,8,8,4,5,10,10,14,16,12,13,10,12,14,18,19,18", by_tens "12,8,12,2,14,10,4,5,10,1,6,16,8,13,10,4,14,18,19,18")
    assert.equal("4,1,7,11,18,11,23,27,28,24,23,22,32,33,39,36,33,48,42,43,56,59,51,57,53,79,73,79,78,71,88,95,93,103,106,103,112,114,"
      .. "119,111,110,121,125,120,126,134,136,143,141,143,154,158,167,176,171,188,180,187,189,193",
      by_tens("23,110,187,18,136,39,125,134,119,121,143,24,141,88,23,188,114,79,106,11,180,43,193,33,112,171,56,167,1,103,126,71,11,28,"
        .. "93,57,51,111,158,42,73,154,120,79,95,22,59,7,33,32,48,103,176,4,27,78,143,36,189,53"))
  end)

  it("sorts", function()
    for n = 0, 300, 7 do
      local list, sorted = {}, {}
      for i = 1, n do list[i] = i * 7919 % 251 end
      table.move(list, 1, n, 1, sorted)
      table.sort(sorted)
      assert.same(sorted, gosort(list, function(a, b) return a < b end))
    end
  end)
end)

describe("--sort-by", function()
  local function names(values)
    local list, out = {}, {}
    for i, value in ipairs(values) do list[i] = { name = i, value = value ~= "absent" and value or nil } end
    for i, object in ipairs(sorting.items(list, ".value")) do out[i] = object.name end
    return table.concat(out, " ")
  end

  it("compares numbers, texts, and texts that are quantities", function()
    assert.equal("3 1 2", names { 5, 10, 1 })
    assert.equal("2 1 3", names { "b", "a", "c" })
    assert.equal("3 2 1", names { "1Gi", "900Mi", "1k" })
    assert.equal("2 1", names { "10", "9" })
  end)

  it("puts what has no value first", function() assert.equal("2 1 3", names { 1, "absent", 2 }) end)
  it("puts null first", function() assert.equal("2 1", names { 1, kubesim.null }) end)

  it("refuses what cannot be compared", function()
    for _, values in ipairs { { true, true }, { { a = 1 }, { a = 2 } }, { 1, "a" } } do
      local ok, err = pcall(names, values)
      assert.is_false(ok)
      assert.matches("is an unsortable type", tostring(err), 1, true)
    end
  end)

  it("refuses a path that nothing has", function()
    local ok, err = pcall(names, { "absent", "absent" })
    assert.is_false(ok)
    assert.equal('couldn\'t find any field with path "{.value}" in the list of objects', err.message)
  end)
end)
