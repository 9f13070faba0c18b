-- Machines: those that were seen, those that a command added, and those of which an operator wants something. Times are
-- seconds since 1970-01-01 UTC by the router's clock.
CREATE TABLE nodes (
    -- Of a machine with an agent it is made of its public key, so that to know the one is to have pinned the other.
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    name TEXT NOT NULL CHECK (name <> ''),
    -- Whether a command gave the name; else the machine says what it is called.
    is_renamed INTEGER NOT NULL CHECK (is_renamed IN (0, 1)),
    -- How it came to be known.
    source TEXT NOT NULL CHECK (source IN ('configured', 'added', 'found')),
    -- Which agent spoke for it last; none for a plain model server.
    agent TEXT,
    first_seen INTEGER,
    last_seen INTEGER
) STRICT, WITHOUT ROWID;

-- Model servers of a machine, and where each was reached last.
CREATE TABLE servers (
    node BLOB NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    -- Where it listens on its machine.
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    kind TEXT NOT NULL,
    -- A name, an IPv4 address, or an IPv6 address without brackets, and the port there: an agent may pass on from another.
    host TEXT NOT NULL CHECK (host <> ''),
    host_port INTEGER NOT NULL CHECK (host_port BETWEEN 1 AND 65535),
    -- Requests that each of its models takes at once, as a command said.
    slots INTEGER CHECK (slots > 0),
    PRIMARY KEY (node, port)
) STRICT, WITHOUT ROWID;

-- What a command says of a machine, for plugins.
CREATE TABLE labels (
    node BLOB NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;

-- Machines that get no new work because a command said so, since when.
CREATE TABLE drains (
    node BLOB PRIMARY KEY NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
