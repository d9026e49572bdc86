//! The order of the nodes, which all of them agree on without a word, and the
//! tree that follows from it.

use glomer_runtime::Context;

/// Up to how many nodes one hub feeds. Beyond, hubs feed hubs.
pub(super) const ONE_HUB: usize = 128;

/// The nodes ranked by a hash of their names. Rank 0 is the root of the tree
/// while it can be reached.
///
/// With many nodes there are about as many groups as nodes in a group, and
/// the first nodes of the order are each the first of a group.
pub(super) struct Order {
    /// Places in [`Context::node_ids`], by rank.
    places: Vec<u32>,
    me: u32,
    groups: u32,
}

impl Order {
    pub(super) fn new(cx: &Context) -> Self {
        let ids = cx.node_ids();
        let mut places: Vec<u32> = (0..ids.len() as u32).collect();
        places.sort_by_cached_key(|place| {
            let id = &ids[*place as usize];
            (hash(id.as_bytes()), id)
        });
        let groups = match ids.len() {
            0..=ONE_HUB => 1,
            many => many.isqrt() as u32,
        };
        let mut order = Self {
            places,
            me: 0,
            groups,
        };
        order.me = order.rank(cx, cx.node_id()).unwrap_or_default();
        order
    }

    /// The rank of this node.
    pub(super) fn me(&self) -> u32 {
        self.me
    }

    pub(super) fn len(&self) -> u32 {
        self.places.len() as u32
    }

    /// Whether one hub feeds all.
    pub(super) fn is_star(&self) -> bool {
        self.groups == 1
    }

    pub(super) fn name<'a>(&self, cx: &'a Context, rank: u32) -> &'a str {
        &cx.node_ids()[self.places[rank as usize] as usize]
    }

    pub(super) fn rank(&self, cx: &Context, name: &str) -> Option<u32> {
        let ids = cx.node_ids();
        let wanted = (hash(name.as_bytes()), name);
        let found = self.places.binary_search_by(|place| {
            let id = ids[*place as usize].as_str();
            (hash(id.as_bytes()), id).cmp(&wanted)
        });
        found.ok().map(|rank| rank as u32)
    }

    /// From whom a node is to get its news, best first: the earlier ones of
    /// its group, then everyone else before it. So parents come before their
    /// children in the order, and there are no circles.
    pub(super) fn parents_of(&self, rank: u32) -> impl Iterator<Item = u32> + use<> {
        let groups = self.groups;
        let home = (rank % groups..rank).step_by(groups as usize);
        let others = (0..rank).filter(move |other| other % groups != rank % groups);
        home.chain(others)
    }

    /// Whom this node is to feed, as far as it knows: those for whom it is
    /// the best parent that can be reached, in order.
    pub(super) fn children(&self, out_of_reach: impl Fn(u32) -> bool) -> Vec<u32> {
        let is_child = |rank: &u32| {
            let mut parents = self.parents_of(*rank);
            let parent = parents.find(|parent| *parent == self.me || !out_of_reach(*parent));
            *rank != self.me && parent == Some(self.me)
        };
        (self.me + 1..self.len()).filter(is_child).collect()
    }
}

/// FNV-1a, then mixed well: names differ in their last letters.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(fnv)
}

/// The finalizer of Steele, Lea and Flood's splitmix64.
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(nodes: usize) -> Vec<Order> {
        let ids: Vec<String> = (0..nodes).map(|n| format!("n{n}")).collect();
        let order = |id: &String| Order::new(&Context::mock(id, ids.clone()));
        let mut orders: Vec<Order> = ids.iter().map(order).collect();
        orders.sort_by_key(Order::me);
        orders
    }

    #[test]
    fn all_agree_whatever_order_they_are_told() {
        let one = Context::mock("n1", ["n0", "n1", "n2", "n3"]);
        let other = Context::mock("n2", ["n3", "n2", "n1", "n0"]);
        let (a, b) = (Order::new(&one), Order::new(&other));
        for id in one.node_ids() {
            let rank = a.rank(&one, id).unwrap();
            assert_eq!(b.rank(&other, id), Some(rank));
            assert_eq!(a.name(&one, rank), id);
        }
        assert_eq!(a.rank(&one, "c1"), None);
        assert_ne!(a.me(), b.me());
    }

    #[test]
    fn one_hub_feeds_a_small_cluster() {
        let orders = orders(25);
        assert_eq!(
            orders[0].children(|_| false),
            (1..25).collect::<Vec<_>>(),
            "the first feeds all"
        );
        assert!((1..25).all(|me| orders[me].children(|_| false).is_empty()));
        // Without the first two, the third.
        assert_eq!(
            orders[2].children(|rank| rank < 2),
            (3..25).collect::<Vec<_>>()
        );
    }

    #[test]
    fn hubs_feed_hubs_in_a_large_one() {
        let orders = orders(1000);
        let children: Vec<_> = orders.iter().map(|it| it.children(|_| false)).collect();
        let mut fed: Vec<u32> = children.concat();
        fed.sort_unstable();
        assert_eq!(fed, (1..1000).collect::<Vec<_>>(), "each has one parent");
        assert!(children.iter().all(|it| it.len() < 2 * 32 + 2));
        for hub in 1..31 {
            assert!(children[0].contains(&hub), "the root feeds hub {hub}");
        }
        // Without a hub, the next of its group joins the root and feeds the rest.
        assert!(orders[0].children(|rank| rank == 7).contains(&(7 + 31)));
        let rest = orders[7 + 31].children(|rank| rank == 7);
        assert_eq!(rest.len(), children[7].len() - 1);
    }
}
