//! Temporary measures.
use std::sync::Arc;
use std::time::Instant;
use model::Colour;
use crate::station::{Station, VIEWER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn measure() {
    let station = Arc::new(Station::start().await);
    for (who, body) in [("bad json", "{\"note\":"), ("type", "{\"note\":7}"), ("unknown", "{\"nota\":7}"), ("arr", "[]")] {
        let id = station.desk.raise(0);
        let headers = [("authorization", "Bearer operator.s"), ("content-type", "application/json")];
        let a = station.ask(reqwest::Method::POST, &format!("/api/v1/alerts/{id}/close"), &headers, Some(body.into())).await;
        eprintln!("{who}: {}", String::from_utf8_lossy(&a.body));
    }
    for p in ["alerts?limit=x", "alerts?regoin=1", "bootstrap?region=33"] {
        let a = station.get(VIEWER, &format!("/api/v1/{p}")).await;
        eprintln!("{}", String::from_utf8_lossy(&a.body));
    }
    for consumers in [1usize, 100] {
        let mut tasks = Vec::new();
        let (tx, mut rx) = tokio::sync::mpsc::channel(100_000);
        for _ in 0..consumers {
            let mut f = station.follow(VIEWER, "", None).await;
            f.next().await;
            let tx = tx.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..80 { let e = f.event().await; tx.send((e.id, Instant::now())).await.unwrap(); }
            }));
        }
        let mut at = std::collections::BTreeMap::new();
        let mut apply = Vec::new();
        for n in 0..100u32 {
            let t = Instant::now();
            let c = if n % 2 == 0 { Colour::Orange } else { Colour::Yellow };
            station.desk.paint(n % 7, if n % 14 < 7 { c } else { Colour::Red }); let _ = c;
            station.desk.raise(n % 7);
            let c = station.desk.view.cursor();
            apply.push(t.elapsed());
            at.insert(c, t);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        
        let mut lat = Vec::new();
        drop(tx);
        for _ in 0..80 * consumers { if let Some((id, when)) = rx.recv().await { if let Some(t) = at.get(&id) { lat.push(when.duration_since(*t)); } } }
        lat.sort(); apply.sort();
        eprintln!("{consumers} consumers: n {} commit p50 {:?} max {:?}; to consumer p50 {:?} p99 {:?} max {:?}", lat.len(), apply[50], apply[99], lat[lat.len()/2], lat[lat.len()*99/100], lat[lat.len()-1]);
        for t in tasks { t.abort(); }
    }
}
