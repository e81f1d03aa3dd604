"""The plain frozen values that the client returns. Times are aware UTC; an unset one is None.

Fields have the names that REST and protobuf give them. Enums read as short lower-case words.
"""
