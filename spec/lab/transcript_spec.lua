-- The lab as it is shown: what a person types and what the cluster answers, section by section.
local lab = dofile "examples/lab/lab.lua"

---The transcript of one part, by its sections.
local function sections(part)
  local pieces, found, at = {}, {}, nil
  lab[part](function(text) pieces[#pieces + 1] = text end)
  for line in table.concat(pieces):gmatch "[^\n]*" do
    local title = line:match "^## (.*)"
    if title then
      at = title
      found[at] = ""
    elseif at then
      found[at] = found[at] .. line .. "\n"
    end
  end
  return found
end

---Each pattern occurs, one behind the other.
local function in_order(text, patterns)
  local from = 1
  for _, pattern in ipairs(patterns) do
    local _, stop = text:find(pattern, from)
    assert(stop, ("not shown from there on: %s\n%s"):format(pattern, text:sub(from)))
    from = stop + 1
  end
end

describe("the lab's transcript", function()
  it("shows names, order of creation, of deletion and of scaling down", function()
    local s = sections "basics"
    in_order(s["ReplicaSet and StatefulSet: creation"], {
      "%$ kubectl apply %-f replica%-web%.yaml\nreplicaset.apps/replica%-web created",
      "%$ kubectl get po\nNAME +READY +STATUS +RESTARTS +AGE\n",
      "^replica%-web%-%w%w%w%w%w +1/1 +Running +0 +30s\nstateful%-db%-0 +1/1 +Running" })
    in_order(s["More replicas: two at once, or one after the other"], { "replica%-web%-%w+ +0/1 +ContainerCreating +0 +1s",
      "replica%-web%-%w+ +0/1 +ContainerCreating +0 +1s", "stateful%-db%-1 +0/1 +ContainerCreating +0 +1s\n\n",
      "stateful%-db%-1 +1/1 +Running +0 +2s\nstateful%-db%-2 +0/1 +ContainerCreating" })
    in_order(s["Deleting a pod: another name at once, or the same name afterwards"], {
      'pod "replica%-web%-%w+" deleted from default namespace', "0/1 +ContainerCreating +0 +1s", 'pod "stateful%-db%-0" deleted',
      "stateful%-db%-0 +1/1 +Terminating", "stateful%-db%-0 +0/1 +ContainerCreating +0 +0s" })
    in_order(s["No replicas: all together, or from the highest ordinal down"], { "Terminating.-Terminating.-Terminating",
      "stateful%-db%-0 +1/1 +Running.-stateful%-db%-1 +1/1 +Running.-stateful%-db%-2 +1/1 +Terminating",
      "stateful%-db%-0 +1/1 +Running[^\n]*\nstateful%-db%-1 +1/1 +Terminating[^\n]*\n\n", "stateful%-db%-0 +1/1 +Terminating",
      "No resources found in default namespace%.\n" })
  end)

  it("shows a shared claim, and the volume that is wanted on two nodes", function()
    local s = sections "shared_claim"
    in_order(s["A claim shared by the pods of a ReplicaSet"], { "persistentvolumeclaim/replica%-pvc1 +Bound +pvc%-%S+ +1G +RWO +fast",
      "persistentvolume/pvc%-%S+ +1G +RWO +Delete +Bound +default/replica%-pvc1", "ls /applog\ngreeting.txt",
      "cat /applog/greeting.txt\nhello", "cat /applog/greeting.txt\nhello", "cat /applog/greeting.txt\nhello" })
    in_order(s["The same without nodeSelector: the volume is ReadWriteOnce"], {
      'replicaset.apps "replica%-pvc" deleted from default namespace',
      "0/1 +ContainerCreating", "FailedAttachVolume +pod/replica%-pvc%-%w+ +Multi%-Attach error for volume" })
  end)

  it("shows claims of their own, kept for the next pod of the name", function()
    local s = sections "own_claims"
    in_order(s["A StatefulSet with volumeClaimTemplates"], {
      'The StatefulSet "stateful%-pvc" is invalid: spec.template.spec.containers%[0%].volumeMounts%[0%].name: Not found: "other"',
      "volume%-stateful%-pvc%-0 +Bound", "persistentvolumeclaim/volume%-stateful%-pvc%-2 +Bound", "default/volume%-stateful%-pvc%-1" })
    in_order(s["The next pod of a name finds the files of the one before"], { "cat /applog/data.txt\nmine",
      "pod/stateful%-pvc%-0 +1/1 +Running",
      "persistentvolumeclaim/volume%-stateful%-pvc%-2 +Bound" })
  end)

  it("shows the names of a headless Service, with and without a matching selector", function()
    local s = sections "names"
    local name = "Name:\tstateful%-headless.default.svc.cluster.local\nAddress: 10%.244%.%d+%.%d+\n"
    in_order(s["A headless Service"], {
      "nslookup stateful%-headless\nServer:\t\t10%.96%.0%.10\nAddress:\t10%.96%.0%.10#53\n\n" .. name:rep(3),
      "curl stateful%-pvc%-0[^\n]*\nstateful%-pvc%-0 is Running", "curl stateful%-pvc%-2[^\n]*\nstateful%-pvc%-2 is Running",
      "server can't find stateful%-db%-0.stateful%-headless: NXDOMAIN", "Could not resolve host: stateful%-db%-0.stateful%-headless" })
    in_order(s["The variant whose selector matches the set that is called"], { name:rep(3), "stateful%-db%-0 is Running",
      "stateful%-db%-1 is Running", "stateful%-db%-2 is Running" })
  end)
end)
