-- Machines: those that were seen, those that an operator added by command, and those whose operator wants something
-- of them. Times are seconds since 1970-01-01 UTC by the router's clock.
CREATE TABLE nodes (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    -- Ed25519, pinned at first contact; a machine without an agent of ours has none.
    public_key BLOB CHECK (length(public_key) = 32),
    name TEXT NOT NULL CHECK (name <> ''),
    -- Whether a command gave the name; else the machine says what it is called.
    is_renamed INTEGER NOT NULL CHECK (is_renamed IN (0, 1)),
    -- How it came to be known: by command, by itself, by the configuration.
    source TEXT NOT NULL CHECK (source IN ('added', 'found', 'listed')),
    -- Which agent spoke for it last; none for a plain model server.
    agent TEXT,
    -- Requests that each of its models takes at once, as a command said.
    slots INTEGER CHECK (slots > 0),
    first_seen INTEGER,
    last_seen INTEGER
) STRICT, WITHOUT ROWID;

-- Model servers of a machine, and where each was reached last.
CREATE TABLE servers (
    node BLOB NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    kind TEXT NOT NULL,
    -- A name, an IPv4 address, or an IPv6 address without brackets.
    host TEXT NOT NULL CHECK (host <> ''),
    PRIMARY KEY (node, port)
) STRICT, WITHOUT ROWID;

-- What an operator's command says of a machine, for plugins.
CREATE TABLE labels (
    node BLOB NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;

-- Machines that get no new work, since when.
CREATE TABLE drains (
    node BLOB PRIMARY KEY NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
