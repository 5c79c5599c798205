create table if not exists not_fetched (
    source text not null,
    key text not null,
    why text not null,
    since text not null,
    primary key (source, key)
) without rowid
