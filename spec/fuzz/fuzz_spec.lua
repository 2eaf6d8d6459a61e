-- Every fuzz target survives its corpus and random input; `make fuzz` looks much longer, guided by coverage.

describe("random input #builds", function()
  it("crashes, hangs and leaks nowhere", function()
    local pipe <close> = assert(io.popen "make -s fuzz-smoke 2>&1; echo exit $?")
    local text, ran = pipe:read "a", {}
    assert(text:match "exit 0\n$", text)
    for target, runs in text:gmatch "(%w+): (%d+) runs" do ran[target] = tonumber(runs) end
    local files <close> = assert(io.popen "ls fuzz/fuzz_*.c")
    for path in files:lines() do
      local target = path:match "fuzz_(%w+)%.c"
      assert((ran[target] or 0) > 0, target .. " did not run: " .. text)
    end
  end)
end)
