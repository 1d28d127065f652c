"""The sample shop: a cart, a catalog and its pictures, made by this project itself."""
