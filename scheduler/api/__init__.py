"""The words of the outside: names, units, annotations and the typed objects read from the API. Imports no other part."""
