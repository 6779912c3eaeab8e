"""The words of the outside: names, units, annotations, the typed objects of the API. Imports no other part."""
