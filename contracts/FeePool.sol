// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

interface Identified {
    function getPoid() external view returns (bytes32 ipfsId, address wallet);
}

/// @notice Holds the fee of each peer of a session, and splits it among the others by what the peers report; and its
///         stake, which it gives back.
/// @dev A peer deposits fee and stake with its DPoID and reports once which share of the fee it owes to whom.  The pool
///      closes when all peers have reported, or ``window`` seconds after the first deposit.  Then each peer withdraws its
///      income and its stake.  Either may be 0; without a fee, a report says no more than that its author has finished.
///      Members are in two halves, by the parity of their places.  What a member does not report goes to the members of
///      the other half, in proportion to their profiles.  The profile of a member is the sum of what the half that it is
///      not in reports about it; each report counts at most the median of that half's reports about the other.
///      Invariants:
///      - A fee never returns to who deposited it, unless it is the only member.
///      - A stake returns once, after the pool has closed, to who deposited it.
///      - A wallet is a member once, with one DPoID: k DPoIDs have k stakes.
///      - The income of a member does not depend on its own report: the reports of its own half decide only how the
///        other half is paid, and no report names its author.
///      - The incomes add up to the fees, less one wei per member at most; no other wei leaves but the stakes.
///      - A report takes at most two words of storage, and there are at most 32 members.
///      - A deposit only reads the DPoID.  Apart from that, nothing is called before ``withdrawn`` is set, and only the
///        wallet that withdraws is called.
contract FeePool {
    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice The deposit is not exactly the fee and the stake.
    error WrongFee();

    /// @notice All places are taken.
    error Full();

    /// @notice The sender has deposited, reported or withdrawn before.
    error Repeated();

    /// @notice The DPoID names another wallet than the sender.
    error OtherWallet();

    /// @notice The sender has made no deposit.
    error NoMember();

    /// @notice The pool is closed.
    error Closed();

    /// @notice The pool is not closed yet.
    error StillOpen();

    /// @notice A report names its author, or more than the whole fee.
    error BadReport();

    /// @notice The wallet does not accept its income.
    error NotAccepted();

    /*//////////////////////////////////////////////////////////////
                                  STATE
    //////////////////////////////////////////////////////////////*/

    struct Member {
        address wallet;
        bool reported;
        bool withdrawn;
    }

    uint256 private constant WHOLE = 65535; // shares of a fee
    uint256 private constant MAX_MEMBERS = 32;

    uint256 private immutable fee; // wei
    uint256 private immutable stake; // wei
    uint256 private immutable places; // the number of peers of the session
    uint256 private immutable window; // s

    uint256 private deadline; // Unix seconds; 0: nobody has deposited
    uint256 private reports;
    Member[] private members;
    mapping(address wallet => uint256) private entryOf; // place, counted from 1, in the low 96 bits; above it the DPoID
    uint256[2][MAX_MEMBERS] private shares; // of each member's fee, 16 bits per payee, by place

    /// @dev The pool of a session is part of its genesis block, so that its code has these values and its storage is empty.
    constructor(uint256 fee_, uint256 stake_, uint256 places_, uint256 window_) {
        require(places_ <= MAX_MEMBERS);
        fee = fee_;
        stake = stake_;
        places = places_;
        window = window_;
    }

    /*//////////////////////////////////////////////////////////////
                                  CALLS
    //////////////////////////////////////////////////////////////*/

    /// @notice Become a member.
    function deposit(Identified dpoid) external payable {
        if (msg.value != fee + stake) revert WrongFee();
        if (closed()) revert Closed();
        if (members.length == places) revert Full();
        if (placeOf(msg.sender) != 0) revert Repeated();
        (, address wallet) = dpoid.getPoid();
        if (wallet != msg.sender) revert OtherWallet();

        if (deadline == 0) deadline = block.timestamp + window;
        members.push(Member(wallet, false, false));
        entryOf[wallet] = members.length | uint256(uint160(address(dpoid))) << 96;
    }

    /// @notice Report once to whom the fee goes.
    /// @param entries A wallet in the low 160 bits of each, and its share above.  A wallet that is no member is skipped.
    function report(uint256[] calldata entries) external {
        uint256 own = placeOf(msg.sender);
        if (own == 0) revert NoMember();
        if (closed()) revert Closed();
        if (members[own - 1].reported) revert Repeated();

        uint256 total;
        uint256[2] memory packed;
        for (uint256 i; i < entries.length; i++) {
            uint256 share = entries[i] >> 160;
            uint256 place = placeOf(address(uint160(entries[i])));
            if (place == own || share > WHOLE - total) revert BadReport();
            total += share;
            if (place != 0) packed[(place - 1) / 16] += share << (((place - 1) % 16) * 16);
        }
        members[own - 1].reported = true;
        reports++;
        if (packed[0] != 0) shares[own - 1][0] = packed[0];
        if (packed[1] != 0) shares[own - 1][1] = packed[1];
    }

    /// @notice Take the stake back, and the income that the reports give to the sender.
    function withdraw() external {
        uint256 own = placeOf(msg.sender);
        if (own == 0) revert NoMember();
        if (!closed()) revert StillOpen();
        if (members[own - 1].withdrawn) revert Repeated();

        members[own - 1].withdrawn = true;
        uint256 share = fee == 0 ? 0 : income(own - 1);
        (bool accepted,) = msg.sender.call{value: stake + share}("");
        if (!accepted) revert NotAccepted();
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice The deadline (0: none yet), whether all peers of the session have reported, and the wallets and DPoIDs of the
    ///         members.
    function getState() external view returns (uint256, bool, address[] memory wallets, address[] memory dpoids) {
        wallets = new address[](members.length);
        dpoids = new address[](members.length);
        for (uint256 i; i < wallets.length; i++) {
            wallets[i] = members[i].wallet;
            dpoids[i] = address(uint160(entryOf[wallets[i]] >> 96));
        }
        return (deadline, reports == places, wallets, dpoids);
    }

    function placeOf(address wallet) private view returns (uint256) {
        return uint96(entryOf[wallet]);
    }

    function closed() private view returns (bool) {
        return deadline != 0 && (block.timestamp >= deadline || reports == places);
    }

    /*//////////////////////////////////////////////////////////////
                                  SPLIT
    //////////////////////////////////////////////////////////////*/

    /// @dev The income of the member at ``place`` (from 0), in wei.  No product exceeds fee * 2^42.
    function income(uint256 place) private view returns (uint256) {
        uint256 count = members.length;
        if (count == 1) return fee;
        uint256 named; // shares that others report for the member
        uint256 rest; // shares that the other half does not report
        uint256[] memory about = new uint256[](count * count / 4); // what the other half reports about this half
        uint256 size = (count + 1 - place % 2) / 2; // members of this half
        uint256 filled;
        for (uint256 i; i < count; i++) {
            if (i % 2 == place % 2) {
                named += shareAt(shares[i][place / 16], place);
                continue;
            }
            uint256[2] memory words = [shares[i][0], count > 16 ? shares[i][1] : 0];
            rest += WHOLE;
            for (uint256 j; j < count; j++) {
                uint256 reported = shareAt(words[j / 16], j);
                rest -= reported;
                if (j % 2 == place % 2) about[filled++] = reported;
                if (j == place) named += reported;
            }
        }
        (uint256 profile, uint256 all) = profiles(about, place / 2, size);
        return fee * (named * all + rest * profile) / (WHOLE * all);
    }

    /// @dev The profile of one member of a half, and the sum of all.  ``about``: rows of ``size`` reports.
    function profiles(uint256[] memory about, uint256 column, uint256 size)
        private
        pure
        returns (uint256 profile, uint256 all)
    {
        uint256 limit = median(about);
        for (uint256 i; i < about.length; i++) {
            uint256 counted = about[i] < limit ? about[i] : limit;
            all += counted;
            if (i % size == column) profile += counted;
        }
        if (all == 0) (profile, all) = (1, size); // nothing is known about anybody
    }

    /// @dev The lower median of the values that are not 0; 0 if there are none.
    function median(uint256[] memory values) private pure returns (uint256 low) {
        uint256 positive;
        for (uint256 i; i < values.length; i++) if (values[i] != 0) positive++;
        if (positive == 0) return 0;
        low = 1;
        uint256 high = WHOLE;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint256 below; // values from 1 to ``middle``: subtracting 1 makes 0 the largest number
            unchecked {
                for (uint256 i; i < values.length; i++) if (values[i] - 1 < middle) below++;
            }
            if (2 * below >= positive) high = middle;
            else low = middle + 1;
        }
    }

    function shareAt(uint256 word, uint256 place) private pure returns (uint256) {
        return (word >> ((place % 16) * 16)) & WHOLE;
    }
}
