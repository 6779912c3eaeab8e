"""Enriches pods at admission with what their Knative Service, owner, namespace and events say of the data they move."""
