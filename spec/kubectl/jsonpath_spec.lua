-- JSONPath templates, as kubectl evaluates them.
local kubesim = require "kubesim"
local jsonpath = require "kubesim.kubectl.jsonpath"

local LIST = kubesim.yaml.decode([[
kind: List
items:
- metadata: {name: web-0, labels: {app: web, example.com/tier: back}}
  spec: {containers: [{name: main, image: "app:1"}, {name: side, image: "log:2"}]}
  status: {phase: Running, ready: true, restarts: 3, conditions: [{type: Ready, status: "True"}], load: 1.5, none: null}
- metadata: {name: web-1, labels: {app: web}}
  spec: {containers: [{name: main, image: "app:2"}]}
  status: {phase: Pending, ready: false, restarts: 0, conditions: []}
count: 2
]])[1]

local function run(text, options)
  options = options or { allow_missing = true }
  local template = assert(jsonpath.parse(text, options))
  return template:text(LIST)
end

local function shows(cases)
  for _, case in ipairs(cases) do
    local out, why = run(case[1])
    assert.equal(case[2], out or why, case[1])
  end
end

local function refuses(cases)
  for _, case in ipairs(cases) do
    local template, why = jsonpath.parse(case[1])
    if template then
      local out
      out, why = template:text(LIST)
      assert.is_nil(out, case[1])
    end
    assert.equal(case[2], why, case[1])
  end
end

describe("a JSONPath template", function()
  it("looks fields up", function()
    shows { { "{.kind}", "List" }, { "{ .kind }", "List" }, { "{$.kind}", "List" }, { "{.items[0].metadata.name}", "web-0" },
      { "{.items[0].metadata.labels.example\\.com/tier}", "back" }, { "{.items[0].metadata.labels['app']}", "web" },
      { "{.count}", "2" }, { "{.items[0].status.load}", "1.5" }, { "{.items[1].status.ready}", "false" } }
  end)

  it("prints text around expressions and in quotes", function()
    shows { { "kind: {.kind}!", "kind: List!" }, { '{.kind}{"\\t"}{.count}{"\\n"}', "List\t2\n" }, { "{'it is'} {.kind}", "it is List" },
      { [[{"\x41\u00e9\101"}]], "A\u{e9}A" } }
  end)

  it("prints several values with blanks between, maps and lists as JSON, null by name", function()
    shows { { "{.items[*].metadata.name}", "web-0 web-1" }, { "{.items[1].metadata.labels}", '{"app":"web"}' },
      { "{.items[1].spec.containers}", '[{"image":"app:2","name":"main"}]' }, { "{.items[1].status.conditions}", "[]" },
      { "{.items[0].status.none}", "null" } }
  end)

  it("takes slices", function()
    shows { { "{.items[-1].metadata.name}", "web-1" }, { "{.items[0:1].metadata.name}", "web-0" },
      { "{.items[:].metadata.name}", "web-0 web-1" }, { "{.items[::2].metadata.name}", "web-0" },
      { "{.items[-1:].metadata.name}", "web-1" }, { "{.items[1:1].metadata.name}", "" } }
  end)

  it("takes unions, wildcards and descendants", function()
    shows { { "{.items[0]['metadata.name','status.phase']}", "web-0 Running" }, { "{.items[1].metadata.labels.*}", "web" },
      { "{.items[0,1].metadata.name}", "web-0 web-1" }, { "{..image}", "app:1 log:2 app:2" },
      { "{.items[*].spec.containers[*].name}", "main side main" } }
  end)

  it("filters lists", function()
    shows { { '{.items[?(@.status.phase=="Running")].metadata.name}', "web-0" },
      { '{.items[?(@.status.phase!="Running")].metadata.name}', "web-1" },
      { "{.items[?(@.status.restarts>2)].metadata.name}", "web-0" }, { "{.items[?(@.status.restarts<=0)].metadata.name}", "web-1" },
      { "{.items[?(@.status.ready==true)].metadata.name}", "web-0" },
      { "{.items[?(@.metadata.labels.example\\.com/tier)].metadata.name}", "web-0" },
      { '{.items[?(@.metadata.name=="none")].metadata.name}', "" },
      { "{.items[0].status.conditions[?(@.type=='Ready')].status}", "True" } }
  end)

  it("walks ranges, nested ones and empty ones too", function()
    shows { { '{range .items[*]}{.metadata.name}={.status.phase}{"\\n"}{end}', "web-0=Running\nweb-1=Pending\n" },
      { "{range .items[*]}{.metadata.name}:{range .spec.containers[*]} {.name}{end};{end}", "web-0: main side;web-1: main;" },
      { "{range .none[*]}{.a}{end}{.kind}", "List" },
      { "{range .items[*]}{range .status.conditions[*]}{.type}{end}/{end}{.count}", "Ready//2" } }
  end)

  it("takes a missing field for nothing, or for an error", function()
    shows { { "{.none}", "" }, { "a{.none.deeper[0]}b", "ab" } }
    refuses { { "{.none}", "none is not found" }, { "{.items[0].nobody}", "nobody is not found" } }
  end)

  it("prints lists of JSON on demand", function()
    assert.equal('[\n    "web-0",\n    "web-1"\n]\n', run("{.items[*].metadata.name}", { as_json = true }))
    assert.equal("[]\n", run("{.none}", { as_json = true, allow_missing = true }))
  end)

  it("says what is wrong in its text", function()
    refuses { { "{.kind", "unclosed action" }, { "{.items[0", "unterminated array" }, { "{.items[x]}", "invalid array index x" },
      { "{#}", "unrecognized character in action: U+0023 '#'" }, { "{....a}", "invalid multiple recursive descent" },
      { '{"open}', "unterminated quoted string" }, { "{.items[?(@.a}", "unterminated filter" },
      { "{.items[?(@.a)}", "unclosed array expect ]" }, { [[{"\q"}]], [[unquote string "\q" error invalid syntax]] },
      { "{1.2.3}", "cannot parse number 1.2.3" } }
  end)

  it("says what cannot be done with an object", function()
    refuses { { "{.kind[0]}", "string is not array or slice" }, { "{.items[0][0]}", "map[string]interface {} is not array or slice" },
      { "{.items[7]}", "array index out of bounds: index 7, length 2" },
      { "{.items[1:0]}", "starting index 1 is greater than ending index 0" }, { "{.items[0:2:0]}", "step must be > 0" },
      { "{end}", "not in range, nothing to end" }, { "{nonsense}", "unrecognized identifier nonsense" },
      { '{.items[?(@.status.restarts=="3")]}', "incompatible types for comparison" },
      { "{.items[?(@.status.ready<true)]}", "invalid type for comparison" },
      { "{.items[?(@.spec.containers[*].name==1)]}", "can only compare one element at a time" },
      { "{.items[0].metadata.labels[?(@.a)]}", "map[app:web example.com/tier:back] is not array or slice and cannot be filtered" } }
  end)
end)

describe("a field path", function()
  it("may be spelt in four ways", function()
    for _, path in ipairs { "metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}" } do
      assert.equal("{.metadata.name}", jsonpath.relaxed(path))
    end
  end)

  it("is refused when it is none", function()
    local template, why = jsonpath.relaxed "{.a}{.b}"
    assert.is_nil(template)
    assert.equal("unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'", why)
  end)
end)
