"""The way to the API server: one client, an informer, the Binding call, Events and the settings for Kopf."""
