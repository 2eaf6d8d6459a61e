--- kubectl api-versions: groups and versions that the simulated API server serves. k8s.io/kubectl/pkg/cmd/apiresources/apiversions.go.

local function run(ctx, args)
  if #args > 0 then ctx:usage_error("unexpected arguments: [%s]", table.concat(args, " ")) end
  local list, seen = {}, {}
  for _, kind in ipairs(ctx.core:kinds()) do
    if not seen[kind.api_version] then list[#list + 1] = kind.api_version end
    seen[kind.api_version] = true
  end
  table.sort(list)
  ctx:out(table.concat(list, "\n") .. "\n")
end

return { run = run }
