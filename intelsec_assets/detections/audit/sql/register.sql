create table if not exists files (
    source text not null,
    key text not null,
    version text not null,
    size integer not null,
    sha256 text not null,
    status text not null check (status in ('ok', 'digest', 'unreadable')),
    reason text,
    detail text not null,
    events integer not null,
    rejected integer not null,
    days text not null,
    delivered text not null,
    taken_at text not null,
    primary key (source, key)
) without rowid
