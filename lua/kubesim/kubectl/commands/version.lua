--- kubectl version. The client is that of the release whose words the commands speak. k8s.io/kubectl/pkg/cmd/version.
local errors <const> = require "kubesim.kubectl.errors"

local CLIENT <const>, KUSTOMIZE <const> = "v1.36.2", "v5.8.1"

local function minor(release) return tonumber(release:match "^v1%.(%d+)") end

local function run(ctx, args)
  if #args > 0 and not ctx.flags.client then errors.fail("extra arguments: [%s]", table.concat(args, " ")) end
  local format = ctx.flags.output
  if format ~= "" and format ~= "yaml" and format ~= "json" then errors.fail "--output must be 'yaml' or 'json'" end
  ctx:refuse_flag "output" -- it would tell of a build: commit, date, compiler
  ctx:outf("Client Version: %s\nKustomize Version: %s\n", CLIENT, KUSTOMIZE)
  if ctx.flags.client then return end
  local server = ctx.core:release()
  ctx:outf("Server Version: %s\n", server)
  if math.abs(minor(CLIENT) - minor(server)) <= 1 then return end
  local text = ("version difference between client (1.%d) and server (1.%d) exceeds the supported minor version skew of +/-1"):format(
    minor(CLIENT), minor(server))
  if ctx.flags["warnings-as-errors"] then errors.fail("%s", text) end
  ctx:warn(text)
end

return { flags = { { "client", false, "bool", false }, { "output", "o", "string", "" } }, run = run }
