#!/bin/bash
# The cluster is converged and Gitea can be logged in to. Every assertion is made; exits 1 if one fails.
set -uo pipefail
GITEA_NAMESPACE=gitea
GITEA_URL=${GITEA_URL:?the address users reach Gitea at}
failed=0

assert() { # WHAT COMMAND...
  local what=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "ok    $what"; else echo "FAIL  $what"; failed=1; fi
}

api_answers() { kubectl get --raw /readyz --request-timeout 10s; }

nodes_are_ready() {
  local conditions
  conditions=$(kubectl get nodes -o jsonpath='{.items[*].status.conditions[?(@.type=="Ready")].status}')
  [[ -n $conditions && $conditions != *False* && $conditions != *Unknown* ]]
}

dns_has_endpoints() {
  [[ -n $(kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns \
    -o jsonpath='{.items[*].endpoints[*].addresses[*]}') ]]
}

# Without -q: grep would leave early, and what writes to it would die of the closed pipe.
default_storage_class() { kubectl get storageclass -o json | grep '"storageclass.kubernetes.io/is-default-class": "true"'; }

gitea_is_deployed() { helm status gitea -n "$GITEA_NAMESPACE" | grep '^STATUS: deployed'; }

gitea_is_ready() { kubectl -n "$GITEA_NAMESPACE" rollout status deployment/gitea --timeout 60s; }

admin_value() { # NAME of the variable that the release gives its administrator in
  kubectl -n "$GITEA_NAMESPACE" get deployment gitea -o \
    jsonpath="{.spec.template.spec.initContainers[?(@.name=='configure-gitea')].env[?(@.name=='$1')].value}"
}

login_works() {
  local i
  for ((i = 0; i < 5; i++)); do
    curl -sf --max-time 10 -K <(printf 'user = "%s:%s"\n' "$(admin_value GITEA_ADMIN_USERNAME)" "$(admin_value GITEA_ADMIN_PASSWORD)") \
      "$GITEA_URL/api/v1/user" && return
    sleep 1
  done
  return 1
}

assert 'the API server is ready' api_answers
assert 'every node is Ready' nodes_are_ready
assert 'cluster DNS has endpoints' dns_has_endpoints
assert 'there is a default storage class' default_storage_class
assert "release gitea is deployed in $GITEA_NAMESPACE" gitea_is_deployed
assert 'Gitea is ready' gitea_is_ready
assert "Gitea login works at $GITEA_URL" login_works
exit $failed
