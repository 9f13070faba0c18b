-- What the router learned, a quantity of one thing a row. A figure says nothing of who asked what: names of models,
-- machines and programs, and numbers. Times are seconds since 1970-01-01 UTC by the router's clock.
CREATE TABLE lessons (
    -- Of what: a model on a server, a model wherever it runs, a program that asks a model, a machine.
    subject TEXT NOT NULL CHECK (subject IN ('speed', 'model', 'app', 'machine')),
    -- The machine, of 'speed' and 'machine'; else empty. It need not be among the nodes yet.
    node BLOB NOT NULL CHECK (length(node) IN (0, 16)),
    -- Where the server listens on its machine, of 'speed'; else 0.
    port INTEGER NOT NULL CHECK (port BETWEEN 0 AND 65535),
    -- The model's canonical name, of all but 'machine'; else empty.
    model TEXT NOT NULL,
    -- What the program calls itself, of 'app'; else empty.
    app TEXT NOT NULL,
    -- Which quantity, with its unit: 'decode-per-s', 'hour-009'. One that a version does not know it leaves alone.
    quantity TEXT NOT NULL CHECK (quantity <> ''),
    mean REAL NOT NULL,
    variance REAL NOT NULL CHECK (variance >= 0),
    samples INTEGER NOT NULL CHECK (samples > 0),
    -- When the last sample came.
    learned INTEGER NOT NULL,
    PRIMARY KEY (subject, node, port, model, app, quantity)
) STRICT, WITHOUT ROWID;

-- Of which weights something was learned: a model with others under the same name is another one.
CREATE TABLE weights (
    node BLOB NOT NULL CHECK (length(node) = 16),
    port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    model TEXT NOT NULL CHECK (model <> ''),
    digest TEXT NOT NULL CHECK (digest <> ''),
    PRIMARY KEY (node, port, model)
) STRICT, WITHOUT ROWID;

-- Runs of `herdwick bench` that came to their end.
CREATE TABLE runs (
    id TEXT PRIMARY KEY NOT NULL CHECK (id <> ''),
    ended INTEGER NOT NULL,
    node BLOB NOT NULL CHECK (length(node) = 16),
    -- What the machine was called then.
    name TEXT NOT NULL,
    model TEXT NOT NULL CHECK (model <> ''),
    is_quick INTEGER NOT NULL CHECK (is_quick IN (0, 1))
) STRICT, WITHOUT ROWID;

-- What a run measured, in order.
CREATE TABLE run_figures (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    quantity TEXT NOT NULL CHECK (quantity <> ''),
    -- Answers that ran at once; 0 where that means nothing.
    streams INTEGER NOT NULL CHECK (streams >= 0),
    measured REAL NOT NULL,
    -- What was reckoned with before and afterwards.
    before REAL,
    after REAL,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
