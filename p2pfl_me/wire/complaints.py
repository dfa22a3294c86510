"""Why nothing came of a handshake, in words for whoever runs this peer; what goes before names the neighbour."""

TURNED_AWAY = (
    "turned us away: it has another key than those that are good here: a new one, by a change or certificate that has "
    "not come here (`p2pme keys accept`), or one that is revoked, or a wrong one; compare fingerprints with whoever "
    "runs it (`p2pme keys fingerprint`) and the two contracts"
)
HUNG_UP = (
    "hung up before the handshake: it has had too many calls of ours (does another process run with our key?), or "
    "wants no more of us, or does not know our public key (`p2pme keys fingerprint`)"
)
BY_ANOTHER_KEY = (
    "knows this peer by another key, as it has shown by its own: its contract names another for us, or it has not "
    "taken our new one in (`p2pme keys accept`), or ours is revoked; compare fingerprints with whoever runs it "
    "(`p2pme keys fingerprint`)"
)
NOT_CALLED = (
    "it is there and knows this peer, but is to call it and does not reach it: is the address that the contract gives "
    "for this peer this machine's, and can it be called there?"
)
NOT_COME = "; it is to call this peer and has not"
NO_ANSWER = "no answer; a firewall drops the call, or nobody has this address"
MUTE = "somebody takes the call and says nothing"
TURNED_AWAY_THERE = (
    "turned us away: it has another contract, in which we do not meet this neighbour, or have another key; "
    "give whoever runs it the same file"
)
NOT_THERE = "it is not there yet"
NO_PEER = "does not speak p2pme's protocol; is the address in the contract right, and p2pme there of the same version?"
REVOKED = "its key is revoked, and no other is known; ask the laboratory for its new one (`p2pme keys accept`)"
NO_KEY = "the public key that the contract names is no key; correct the contract"
