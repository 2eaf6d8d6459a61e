-- Which image references mean the tag "latest": those are pulled always. What does not parse as a reference does not.
local kubesim = require "kubesim"

local DIGEST <const> = "@sha256:" .. ("a"):rep(64)

describe("the pull policy of an image", function()
  local cluster
  setup(function() cluster = kubesim.new { nodes = 0, kubelet = "manual" } end)
  teardown(function() cluster:close() end)

  for policy, images in pairs {
    Always = { "a", "a:latest", "foo/bar", "foo.bar/baz", "localhost:5000/x", "a:latest" .. DIGEST, "a__b", "a--b", "[::1]:80/x",
      "x.y:80/z:latest", "10.0.0.1/x", "UP.case/x", "UP/x" },
    IfNotPresent = { "a:1", "A", "x/UP", "a" .. DIGEST, "a:1" .. DIGEST, "a___b", "a..b", "a-", "_a", "a/b/", "a//b", "a:", "a:.x",
      "a:" .. ("t"):rep(129), ("a"):rep(64), "a@sha256:abc", "a@", "é", "a:LATEST", "-x.y/z", ("a"):rep(256) },
  } do
    for _, image in ipairs(images) do
      it(("%s is %s"):format(image:sub(1, 40), policy), function()
        local pod = cluster:create({ apiVersion = "v1", kind = "Pod", metadata = { name = "p" },
          spec = { containers = { { name = "c", image = image } } } }, { dry_run = true })[1]
        assert.equal(policy, pod.spec.containers[1].imagePullPolicy)
      end)
    end
  end
end)
