--- bench/training.lua, which the module is counted by when it is built: all of it comes to its end, or it would be built without counts.

describe("what the module is laid out by #builds", function()
  it("is a run in which every workload becomes ready, is rolled, scaled and deleted", function()
    local clusters, calls = 0, {}
    local kubesim = require "kubesim"
    local new = kubesim.new
    finally(function() kubesim.new = new end)
    kubesim.new = function(options)
      local cluster = new(options)
      clusters = clusters + 1
      cluster:watch("statefulsets", function(type) calls[type] = (calls[type] or 0) + 1 end)
      return cluster
    end
    dofile "bench/training.lua"
    assert.equal(8, clusters)
    assert.equal(5, calls.ADDED)
    assert.equal(5, calls.DELETED)
  end)
end)
