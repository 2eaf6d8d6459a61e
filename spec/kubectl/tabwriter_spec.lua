-- How kubectl lines up columns.
local Tabwriter = require "kubesim.kubectl.tabwriter"

describe("columns of kubectl's tables", function()
  it("are as wide as their widest cell and three blanks", function()
    assert.equal("NAME     READY   AGE\nweb-10   1/1     5s\n", Tabwriter.text "NAME\tREADY\tAGE\nweb-10\t1/1\t5s\n")
  end)

  it("are six wide at least", function() assert.equal("A     B\nx     y\n", Tabwriter.text "A\tB\nx\ty\n") end)

  it("take no room behind their last cell", function() assert.equal("A     long text\nx     \n", Tabwriter.text "A\tlong text\nx\t\n") end)

  it("keep room for empty cells", function()
    assert.equal("NAME   REASON   AGE\nx               5s\n", Tabwriter.text "NAME\tREASON\tAGE\nx\t\t5s\n")
  end)

  it("count characters, not bytes", function() assert.equal("ÄÖÜÄÖ   x\na       y\n", Tabwriter.text "ÄÖÜÄÖ\tx\na\ty\n") end)

  it("end at a line that has none", function()
    assert.equal("long-long   x\n\na     y\n", Tabwriter.text("long-long\tx\n\na\ty\n", { minimum = 6, padding = 3 }))
  end)

  it("of a watch are never narrower than before", function()
    local writer = Tabwriter.new()
    writer:write "NAME\tREADY\nweb-0-with-a-name\t0/1\n"
    assert.equal("NAME                READY\nweb-0-with-a-name   0/1\n", writer:take())
    writer:write "x\t1/1\n"
    assert.equal("x                   1/1\n", writer:take())
    writer:forget()
    writer:write "x\t1/1\n"
    assert.equal("x     1/1\n", writer:take())
  end)

  it("have describe's layout too: two blanks, no least width", function()
    assert.equal("Name:    web\nLabels:  app=web\n         tier=db\n",
      Tabwriter.text("Name:\tweb\nLabels:\tapp=web\n\ttier=db\n", { minimum = 0, padding = 2 }))
  end)

  it("keep a last line that has no end", function() assert.equal("a     b", Tabwriter.text "a\tb") end)
end)
