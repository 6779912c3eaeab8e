"""What to ask the API server in order to see that a binding holds.

Its authorizer follows roles and bindings by watches of its own. Until these have brought both, an account that was just
made is refused what it may do, so whoever applies manifests has to wait for that, as for nothing else in them.
"""

from __future__ import annotations

from localcluster import rest
from scheduler import errors


def review(binding: rest.Object, api: rest.Api) -> rest.Object | None:
    """A SubjectAccessReview that is allowed once the binding holds; None where there is nothing to ask for yet."""
    role, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
    where = f"namespaces/{namespace}/roles" if role["kind"] == "Role" else "clusterroles"
    try:
        found = api.request("GET", f"/apis/rbac.authorization.k8s.io/v1/{where}/{role['name']}")
    except errors.NotFoundError:
        return None  # applied later
    rules = [rule for rule in found.get("rules") or () if rule.get("resources")]
    if not rules or not binding.get("subjects"):
        return None
    # One rule stands for all, and one subject: roles and bindings come as a whole.
    rule, subject = rules[-1], binding["subjects"][0]
    resource, _, part = rule["resources"][0].partition("/")
    attributes = {
        "verb": rule["verbs"][0],
        "group": rule["apiGroups"][0],
        "resource": resource,
        "subresource": part,
        "namespace": namespace,
        "name": next(iter(rule.get("resourceNames", ())), ""),
    }
    return {"spec": {**_who(subject, namespace), "resourceAttributes": attributes}}


def _who(subject: rest.Object, namespace: str) -> rest.Object:
    if subject["kind"] == "ServiceAccount":
        return {"user": f"system:serviceaccount:{subject.get('namespace', namespace)}:{subject['name']}"}
    return {"groups": [subject["name"]]} if subject["kind"] == "Group" else {"user": subject["name"]}
